"""What a run that ended out of memory had in use."""

from dataclasses import replace

from made_records import ACTIVATION, DOWN, GRADIENT, MIB, WEIGHTS, failed_record, make_record, timeline

from anatomy.memory.timeline import Category, Phase, Timeline
from anatomy.validation.alive import alive_at_failure


def test_what_was_alive_adds_up():
    found = alive_at_failure(failed_record())
    assert found.by_category == {
        Category.WEIGHTS: 100 * MIB,
        Category.GRADIENTS: 20 * MIB,
        Category.ACTIVATIONS: 40 * MIB,
    }
    assert found.bytes == 160 * MIB == sum(holding.bytes for holding in found.holdings)
    assert [(row.category.value, row.module) for row in found.holdings] == [
        ("weights", DOWN),
        ("activations", DOWN),
        ("gradients", DOWN),
    ]
    assert found.at.phase is Phase.BACKWARD


def test_what_the_exception_lets_go_of_was_alive():
    """Twice the same activation, and the unwinding after the failure frees both."""
    start = [(Phase.LOAD, 0), WEIGHTS, (Phase.FORWARD, 1), ACTIVATION, ACTIVATION]
    unwound = timeline([*start, (Phase.BACKWARD, 1), GRADIENT, "free activations", "free activations"])
    record = failed_record()
    measurement = replace(record.measurement, observed=unwound)
    found = alive_at_failure(replace(record, measurement=measurement))
    assert found.bytes == 200 * MIB
    assert [(row.blocks, row.block_bytes) for row in found.holdings[:2]] == [(1, 100 * MIB), (2, 40 * MIB)]


def test_a_failure_in_a_phase_without_blocks_shows_the_highest_of_all():
    record = failed_record()
    failure = replace(record.measurement.failure, phase=Phase.OPTIMIZER)
    found = alive_at_failure(replace(record, measurement=replace(record.measurement, failure=failure)))
    assert found.bytes == 160 * MIB


def test_nothing_where_nothing_failed_or_was_seen():
    assert alive_at_failure(make_record()) is None
    record = failed_record()
    blind = replace(record.measurement, observed=Timeline(blocks=(), trace=(), marks=()))
    assert alive_at_failure(replace(record, measurement=blind)) is None
