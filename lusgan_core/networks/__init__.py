"""What everything that runs networks shares: device, seeding, value range, weights, generators."""
