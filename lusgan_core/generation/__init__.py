"""Stage 5: synthetic frames of a score, in several file formats."""
