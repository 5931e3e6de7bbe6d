"""Data sets for those who train classifiers: synthetic frames, and real ones if asked for."""
