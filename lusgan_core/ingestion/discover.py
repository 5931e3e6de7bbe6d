"""Finds the exams in a source, and the digest of every file, without decoding anything.

What an exam is, and which files are its clips, is decided by *readers*, which are plugins: each is
shown the whole listing and names the objects that it recognises. An object is one reader's alone.
What no reader recognises (videos, notes) is ignored, and so are hidden files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from lusgan_core.domain import ExamFiles, Rejection
from lusgan_core.errors import ExamError, PluginError, UnreadableError
from lusgan_core.ingestion.drafts import NOT_UNICODE, Drafts, exam_files, sort_findings
from lusgan_core.ingestion.listing import Digester, Progress, SourceListing, listed
from lusgan_core.ingestion.readers import Finding, Readers, choose_readers, failure, objects_of
from lusgan_core.ingestion.synthetic_mark import any_mark
from lusgan_core.plugin_guard import is_stop
from lusgan_core.store.source import ExamSource


@dataclass(frozen=True)
class Discovery:
    """The exams of a source, and what cannot be used."""

    exams: tuple[ExamFiles, ...]
    """Sorted by patient and exam; an exam's unusable clips are in its ``rejected``."""
    rejected: tuple[Rejection, ...]
    """Files that look like a clip but are in no exam, folders that cannot be read, and, without the
    name of a file, readers that failed."""
    digests: dict[str, str]
    """``"key|size|stamp"`` of every file of the exams -> sha256 of its content, in hex; and what
    readers made of the heads of files."""
    readers: tuple[str, ...] | None = None
    """Names of the readers that looked at the whole source; None where that is unknown."""
    expected: str = ""
    """How clips must lie in the source, as these readers say."""


def discover(
    source: ExamSource,
    known: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    *,
    empty_ok: bool = False,
    readers: Readers | None = None,
    left_out: Callable[[UnreadableError], str] | None = None,
) -> Discovery:
    """List a source and let readers sort its files into exams.

    Args:
        source: Where to look; every file of an exam whose digest is not known is read once.
        known: What an earlier discovery remembered, as ``Discovery.digests``; None to read all
            files.
        progress: Called after each file with (files done, files in all).
        empty_ok: Whether a source without any exam is a result rather than an error.
        readers: The readers to ask; None for all that are installed.
        left_out: Asked about each file that cannot be read: gives the reason for which its clip is
            rejected, or raises; None ends the look.

    Returns:
        The exams, what was rejected, and all digests.

    Raises:
        UnreadableError: A file cannot be read; it may be this one, or the whole disk.
        ExamError: The source is missing, unreadable or fails meanwhile; or it holds no exam, unless
            ``empty_ok``.
        ConfigError: Two readers recognise the same files.
        PluginError: A reader that the options name fails.
    """
    asked = choose_readers() if readers is None else readers
    objects = listed(source)
    listings = {
        name: SourceListing(source, objects, known or {}, reader, left_out)
        for name, reader in asked.items()
    }
    found = Drafts()
    findings = _ask(asked, listings, found)
    sort_findings(findings, asked, found)
    for stat in objects:
        if stat.error and (stat.key.endswith("/") or not stat.key):
            found.reject(stat.key, stat.error if stat.is_unicode else NOT_UNICODE)
    expected = ", or ".join(asked[name].record.layout for name in asked)
    rejected = (*found.failed, *sorted(found.rejected.values(), key=lambda r: r.file))
    if not empty_ok and not any(draft.clips for draft in found.exams.values()):
        mark = any_mark(source, objects)
        if mark or not found.exams:
            raise _no_exam(source.uri, expected, len(hiding(rejected)), mark)
    drafts = [draft for _, draft in sorted(found.exams.items())]
    total = sum(len(objects_of(c)) for draft in drafts for _, c in draft.clips)
    digester = Digester(source, known or {}, progress, total, left_out)
    return Discovery(
        exams=tuple(exam_files(draft, digester) for draft in drafts),
        rejected=rejected,
        digests=_remembered(digester, listings.values()),
        readers=tuple(findings),
        expected=expected,
    )


def no_exam(source: str, found: Discovery) -> ExamError:
    """Make the error for a source without any exam.

    Args:
        source: Address of the source.
        found: What was found in it; the number of what was rejected goes into the text.

    Returns:
        The error, to raise.
    """
    return _no_exam(source, found.expected, len(hiding(found.rejected)))


def hiding(rejected: Iterable[Rejection]) -> tuple[Rejection, ...]:
    """Of what was rejected, what an exam may hide behind.

    Args:
        rejected: What a discovery rejected.

    Returns:
        Clips, folders that could not be listed, and readers that failed; not masks and scores that
        are left of exams that were taken away.
    """
    return tuple(one for one in rejected if one.is_clip or one.file.endswith("/") or not one.file)


def _no_exam(source: str, expected: str, rejected: int, mark: str = "") -> ExamError:
    if mark:
        return ExamError(
            f"no exam in {source}: its files say that a model made their frames ({mark!r}), and "
            "synthetic frames are no exam; name the folder that holds the patients' folders"
        )
    misplaced = f" ({rejected} misplaced or unreadable)" if rejected else ""
    return ExamError(
        f"no exam in {source}{misplaced}: expected {expected}; "
        "name the folder that holds the patients' folders"
    )


def _ask(
    readers: Readers, listings: Mapping[str, SourceListing], found: Drafts
) -> dict[str, list[Finding]]:
    """What each reader found, without those that failed, which are told."""
    findings = {}
    for name, reader in readers.items():
        try:
            findings[name] = reader.find(listings[name])
        except ExamError:  # the source cannot be used, whatever reads it
            raise
        except BaseException as error:  # whatever a stranger's function raises, SystemExit too
            if is_stop(error):
                raise
            what = f"{reader} failed while it looked for clips: {failure(error)}"
            if reader.named:
                raise PluginError(what) from error
            told = f"{what}; clips that it would find are left out, and no exam counts as withdrawn"
            found.failed.append(Rejection(file="", reason=told))
    return findings


def _remembered(digester: Digester, listings: Iterable[SourceListing]) -> dict[str, str]:
    made = dict(digester.digests)
    for listing in listings:
        made |= listing.remembered
    return made
