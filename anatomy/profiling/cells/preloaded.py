"""Importing this imports the libraries: multiprocessing's fork server is told modules, not functions."""

import contextlib

from anatomy.profiling.cells.preload import import_libraries

# A library that cannot be imported fails in each cell, where the reason is kept.
with contextlib.suppress(Exception):
    import_libraries()
