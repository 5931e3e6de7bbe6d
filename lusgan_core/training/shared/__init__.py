"""Trains one score in several processes."""
