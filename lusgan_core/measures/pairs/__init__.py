"""How similar frames are, pair by pair, over sets of any size.

Start with ``compare`` (`compare_sets`), ``results`` (its result) and ``formulas`` (the metrics'
definitions). Three engines compute them: ``torch_engine`` (any device), ``numba_engine`` (the CPU)
and ``triton_engine`` (GPUs).
"""
