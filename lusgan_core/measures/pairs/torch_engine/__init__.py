"""The engine for any device that PyTorch supports: small jobs, and terms that the others lack."""
