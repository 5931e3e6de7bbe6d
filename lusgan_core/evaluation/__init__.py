"""Stage 6: compares a score's synthetic frames with each other and with real ones."""
