"""Stage 3: which frames train a score, and which patients are held out."""
