"""The number and the kind of phantom exams."""

from __future__ import annotations

from pydantic import Field

from lusgan_core.api import Options


class PhantomOptions(Options):
    """How many phantom exams, how large, and how untidy."""

    patients: int = Field(6, ge=1, le=500, description="Patients")
    exams_per_patient: int = Field(1, ge=1, le=9, description="Exams (visits) a patient")
    clips_per_exam: int = Field(
        5, ge=1, le=14, description="Clips an exam, each of another area; from 4 on every exam "
        "shows all scores"
    )  # fmt: skip
    frames_per_clip: int = Field(16, ge=1, le=300, description="Frames a clip")
    size: int = Field(
        200, ge=64, le=1024, description="Nominal frame height, pixels; scanners differ by up to "
        "15 %; at 800 the largest common one gives 800 x 1068"
    )  # fmt: skip
    changing_share: float = Field(
        0.25, ge=0, le=1, description="Share of clips whose score changes halfway"
    )
    unlabelled_share: float = Field(
        0.3, ge=0, le=1, description="Share of clips whose last frames nobody scored"
    )
    v73_share: float = Field(
        0.4, ge=0, le=1, description="Share of clips in MATLAB's v7.3 format (HDF5); the rest is v5"
    )
    mask_share: float = Field(0.8, ge=0, le=1, description="Share of clips with a mask")
    box_share: float = Field(
        0.6, ge=0, le=1, description="Share of masks that are filled rectangles; the rest are fans"
    )
    seed: int = Field(7, ge=0, lt=2**32, description="Seed; the same one gives the same bytes")
