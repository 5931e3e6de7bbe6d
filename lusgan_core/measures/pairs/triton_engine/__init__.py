"""The engine for GPUs: kernels in Triton."""
