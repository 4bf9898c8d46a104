"""A forecast, and what was measured beside it, in words: for a log, a notebook, a terminal."""

from anatomy.integrations.forecast import Forecast
from anatomy.integrations.measured import Measured, OnCuda
from anatomy.units import format_bytes


def describe(predicted: Forecast | None, measured: Measured | None) -> str:
    """Plain lines; every number says which of the three it is."""
    if predicted is None:
        lines = ["no prediction was made"]
    else:
        lines = [_beside(predicted, measured if isinstance(measured, OnCuda) else None), *_notes(predicted)]
    if measured is not None and not isinstance(measured, OnCuda):
        growth = format_bytes(measured.peak_rss_growth_bytes)
        lines.append(
            f"measured on the CPU: resident memory grew by {growth} at most; this is another quantity than what a "
            "GPU allocates, so no difference is formed"
        )
    elif measured is not None and predicted is None:
        lines.append(
            f"measured: peak allocated {format_bytes(measured.peak_allocated_bytes)}, "
            f"peak reserved {format_bytes(measured.peak_reserved_bytes)}"
        )
    return "\n".join(lines)


def _beside(predicted: Forecast, measured: OnCuda | None) -> str:
    names = ("peak allocated", "peak reserved", "on the device")
    columns = [[predicted.peak_allocated_bytes, predicted.peak_reserved_bytes, predicted.device_bytes]]
    heads = [f"predicted ({predicted.device})"]
    if measured is not None:
        seen = [measured.peak_allocated_bytes, measured.peak_reserved_bytes, measured.device_bytes]
        columns += [seen, [a - b for a, b in zip(columns[0], seen, strict=True)]]
        heads += ["measured", "predicted - measured"]
    cells = [[head, *map(format_bytes, column)] for head, column in zip(heads, columns, strict=True)]
    widths = [max(map(len, column)) for column in cells]
    rows = zip(("", *names), *cells, strict=True)
    return "\n".join(
        f"{name:14}" + "".join(f"  {cell:>{width}}" for cell, width in zip(row, widths, strict=True))
        for name, *row in rows
    )


def _notes(predicted: Forecast) -> list[str]:
    lines = [f"the allocated peak is {predicted.peak_words}"]
    if predicted.headroom_bytes is not None:
        lines.append(f"headroom on this GPU: {format_bytes(predicted.headroom_bytes)}")
    failure = predicted.out_of_memory
    if failure is not None:
        lines.append(f"it would run out of memory {failure.phase.value} of step {failure.step}")
    lines += [f"assumed: {assumption}" for assumption in predicted.assumptions]
    return [*lines, f"not modelled: {'; '.join(predicted.not_modelled)}"]
