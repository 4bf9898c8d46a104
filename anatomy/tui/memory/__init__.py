"""The memory view: one run's memory as a picture over its phases, and what is alive at the cursor."""
