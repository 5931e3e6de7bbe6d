"""How alike frames are, pair by pair, over sets of any size.

Start with ``compare`` (`compare_sets`), ``results`` (what it leaves) and ``formulas`` (what the
metrics are). Three engines compute them: ``torch_engine`` (any device), ``numba_engine`` (the CPU)
and ``triton_engine`` (GPUs).
"""
