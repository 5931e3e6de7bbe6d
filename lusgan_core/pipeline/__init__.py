"""The pipeline: the chain of stage calls, the runners that make them, and what depends on what."""
