"""Checks before any work: what runs, workers and a local stack need, and what to do about it."""
