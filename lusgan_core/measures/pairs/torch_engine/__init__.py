"""The engine for any device that PyTorch knows; small jobs and what the others leave out."""
