"""The engine for the CPU: kernels that numba compiles once on a machine."""
