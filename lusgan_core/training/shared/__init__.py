"""The training of one score in several processes."""
