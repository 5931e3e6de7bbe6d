"""Stage 4: trains a generator on the frames of one score."""
