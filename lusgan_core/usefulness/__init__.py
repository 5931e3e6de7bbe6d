"""Usefulness: whether synthetic frames help a classifier of severity."""
