"""What pictures show: values that any renderer can draw, as further blocks of a Document. Nothing here knows a pixel.

`documents.charts_of` makes them. Numbers are integers of bytes and of parameters; totals are sums of parts.
"""

from anatomy.documents.charts.accuracy import Accuracy, Point
from anatomy.documents.charts.memory import Bar, Breakdown, MemoryTimeline
from anatomy.documents.charts.phases import PhaseLevels
from anatomy.documents.charts.treemap import Tile, Treemap

__all__ = [
    "Accuracy",
    "Bar",
    "Breakdown",
    "Chart",
    "MemoryTimeline",
    "PhaseLevels",
    "Point",
    "Tile",
    "Treemap",
]

Chart = MemoryTimeline | Breakdown | Treemap | Accuracy | PhaseLevels
"""What a picture can be of. Each has a `title`, `words` (the picture in a sentence) and `to_dict`."""
