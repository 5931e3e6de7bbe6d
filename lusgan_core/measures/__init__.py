"""Measurements on frames, used by training and evaluation; no stage."""
