"""Formats of synthetic frames beside the HDF5 file that is always written."""
