"""Prefect flows over lusgan's stages, and the command line."""
