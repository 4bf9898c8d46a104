"""The reports in `reports/`: `models.toml` says of what, `python -m anatomy.gallery -o reports` makes them anew.

Each is what `anatomy report` writes. The same versions give the same bytes on every machine: descriptions come from the
catalog alone, and nothing says when or where it was made.
"""
