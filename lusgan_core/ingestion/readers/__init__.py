"""Readers of clips: what a file of each format declares, and its frames as a stream."""
