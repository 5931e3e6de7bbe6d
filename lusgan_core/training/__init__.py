"""Training: options in, a score's frames in, a generator out. Start reading with ``loop``."""
