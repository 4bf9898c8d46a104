"""Recipe + skeleton -> a step: what the user intends to run, the same code on meta, CPU and GPU."""
