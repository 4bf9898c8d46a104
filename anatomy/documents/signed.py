"""How differences are shown: predicted less measured, always with a sign."""

from collections.abc import Callable, Iterable

from anatomy.units import bytes_column


def signed_bytes(counts: Iterable[int | None]) -> Callable[[int | None], str]:
    """How to show a column of differences of bytes: '+1.00 GiB', '-4.00 MiB', '0 B'."""
    show = bytes_column(counts)
    return lambda count: (
        f"+{show(count)}" if count and count > 0 else show(count) if count else _nothing(count)
    )


def signed_share(share: float | None) -> str:
    """A share in percent with enough digits to be seen: '-1.96 %', '+0.0021 %', '0 %'; '' for None."""
    if share is None:
        return ""
    percent = 100 * share
    if percent == 0:
        return "0 %"
    return f"{percent:+.2f} %" if abs(percent) >= 0.01 else f"{percent:+.2g} %"


def _nothing(count: int | None) -> str:
    return "" if count is None else "0 B"


def signed_count(count: int) -> str:
    """A difference of counts: '+1,024', '-3', '0'."""
    return f"{count:+,}" if count else "0"
