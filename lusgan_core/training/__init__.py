"""Stage 4: one score's frames, turned into a generator."""
