"""Stage 7: which model of a score is the one to use, and what it has to show to become it."""
