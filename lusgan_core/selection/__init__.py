"""Stage 3: the frames that train a score, and the patients that are held out."""
