"""What runs, workers and a local stack need: looked at before any work, with what to do."""
