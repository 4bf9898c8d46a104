"""Numbers as people read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.units import GIB, KIB, MIB, bytes_column, format_bytes


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (16060522496, "14.96 GiB"),
        (-GIB, "-1.00 GiB"),
        (6 * 2**40, "6.00 TiB"),
        (5000 * 2**50, "5,000.00 PiB"),
    ],
)
def test_format_bytes(count, text):
    assert format_bytes(count) == text


@pytest.mark.parametrize(
    ("counts", "texts"),
    [
        ([10 * GIB, GIB // 2, 0], ["10.00 GiB", "0.50 GiB", "0.00 GiB"]),
        ([10 * GIB, 5_777_654, 1024], ["10.00 GiB", "5.51 MiB", "1.00 KiB"]),
        ([160 * MIB, 60 * MIB, 10 * KIB], ["160.00 MiB", "60.00 MiB", "10.00 KiB"]),
        ([6 * 2**40, -GIB, None], ["6,144.00 GiB", "-1.00 GiB", ""]),
        ([500 * 2**40, GIB], ["500.00 TiB", "1.00 GiB"]),
        ([12, 3], ["12 B", "3 B"]),
        ([], []),
    ],
)
def test_a_column_has_one_unit_and_misstates_nothing(counts, texts):
    show = bytes_column(counts)
    assert [show(count) for count in counts] == texts


@given(st.lists(st.integers(0, 2**60), min_size=1))
def test_what_is_shown_is_within_a_twentieth(counts):
    units = {"B": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": 2**40, "PiB": 2**50}
    show = bytes_column(counts)
    for count in counts:
        number, unit = show(count).replace(",", "").split()
        assert float(number) * units[unit] == pytest.approx(count, rel=0.05)
