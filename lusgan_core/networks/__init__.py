"""Shared by all that runs networks: device, seeding, value range, weights, generators."""
