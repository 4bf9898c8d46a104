"""Published measurements of training runs, restated, and the predictions for those that can be compared.

One TOML file per publisher; `row.py` says what each field means. `python -m anatomy.validation.published -o reports`
rehearses every comparable run and writes the tables.
"""

from anatomy.validation.published.comparable import comparable
from anatomy.validation.published.reader import rows
from anatomy.validation.published.row import Figure, Row

__all__ = ["Figure", "Row", "comparable", "rows"]
