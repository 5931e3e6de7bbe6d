"""Stage 5: synthetic frames of a score, in the formats that users of them read."""
