"""Stage 7: decides which model of a score is the one to use."""
