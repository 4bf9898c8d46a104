"""Blocks that fused kernels of recurrent layers take, in the place of packages that need CUDA to be installed."""
