"""Stage 2: from a scanner's screen to square images of the fan, kept as one shard a clip."""
