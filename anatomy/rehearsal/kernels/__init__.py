"""What a device does that meta tensors do not: kernels, their scratch, casts, and packages of kernels."""
