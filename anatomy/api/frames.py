"""A comparison as a pandas frame."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anatomy.planning.compare import Comparison


def frame(comparison: "Comparison") -> Any:
    """The rows as a pandas DataFrame: bytes and counts as nullable integers, missing values as NA."""
    import pandas

    return pandas.DataFrame.from_records(comparison.to_records()).convert_dtypes()


def frame_records(table: Any) -> list[dict[str, Any]]:
    """A frame's rows as plain Python values, None for NA."""
    plain = table.astype(object).where(table.notna(), None)
    return [dict(row) for row in plain.to_dict("records")]
