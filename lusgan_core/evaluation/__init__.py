"""Stage 6: how a score's synthetic frames compare with each other and with real ones."""
