"""A classifier of severity, trained on one choice of real and synthetic frames, and judged."""
