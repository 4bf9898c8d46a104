"""What is derived from a replay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from timeline_builder import MIB, build

from anatomy.memory.allocator import replay
from anatomy.memory.footprint import Footprint, footprint, samples
from anatomy.memory.timeline import Block, Category, Phase, Timeline

WEIGHTS, GRADS, ACTS, TEMPS = Category.WEIGHTS, Category.GRADIENTS, Category.ACTIVATIONS, Category.TEMPORARIES


def block(size: int, category: Category, component: str = "", module: str = "", op: str = "") -> Block:
    return Block(bytes=size, category=category, component=component, module=module, op=op)


def one_step(step: int) -> list[object]:
    return [
        (Phase.FORWARD, step),
        (f"a{step}", block(30 * MIB, ACTS, "ffn.up", "layers.0.up", "aten.mm")),
        (f"t{step}", block(MIB + 1, TEMPS, "ffn.up")),
        f"t{step}",
        (Phase.BACKWARD, step),
        (f"g{step}", block(19 * MIB, GRADS, "ffn.up", "layers.0.up", "aten.mm")),
        f"a{step}",
        (Phase.OPTIMIZER, step),
        (f"o{step}", block(100, TEMPS, op="aten._foreach_mul")),
        f"o{step}",
        (Phase.ZERO_GRAD, step),
        f"g{step}",
    ]


LOAD = [(Phase.LOAD, 0), ("w", block(40 * MIB, WEIGHTS, "ffn.up")), ("e", block(513, WEIGHTS, "embedding"))]
TIMELINE = build(*LOAD, *one_step(1), *one_step(2))
RESTING = 40 * MIB + 1024


@pytest.fixture(scope="module")
def need() -> Footprint:
    return footprint(TIMELINE)


def test_the_peak_and_its_instant(need: Footprint) -> None:
    """40 MiB, 1 KiB, 30 MiB, 19 MiB; the last takes all of a cached 20 MiB: 1 MiB is too little to split off."""
    assert need.peak_requested_bytes == 89 * MIB + 513
    assert need.peak_allocated_bytes == 90 * MIB + 1024
    assert need.instant is not None
    at = need.instant
    assert (at.step, at.phase, at.module, at.op) == (1, Phase.BACKWARD, "layers.0.up", "aten.mm")
    assert TIMELINE.trace[at.index] >= 0


def test_parts_add_up_to_the_peak(need: Footprint) -> None:
    assert need.by_category == {WEIGHTS: RESTING, GRADS: 20 * MIB, ACTS: 30 * MIB}
    assert need.by_component == {"ffn.up": 90 * MIB, "embedding": 1024}
    assert need.by_category_and_component == {
        (WEIGHTS, "ffn.up"): 40 * MIB,
        (ACTS, "ffn.up"): 30 * MIB,
        (GRADS, "ffn.up"): 20 * MIB,
        (WEIGHTS, "embedding"): 1024,
    }
    assert need.by_phase_born == {Phase.LOAD: RESTING, Phase.FORWARD: 30 * MIB, Phase.BACKWARD: 20 * MIB}
    assert need.rounding_bytes == MIB + 511
    assert [part.blocks for part in need.parts] == [1, 1, 1, 1]


def test_resting_levels_are_those_of_the_last_step(need: Footprint) -> None:
    assert need.resting == {
        Phase.LOAD: RESTING,
        Phase.FORWARD: RESTING + 30 * MIB,
        Phase.BACKWARD: RESTING + 20 * MIB,
        Phase.OPTIMIZER: RESTING + 20 * MIB,
        Phase.ZERO_GRAD: RESTING,
    }


def test_peaks_by_phase_and_by_step(need: Footprint) -> None:
    assert need.phase_peaks == {
        Phase.LOAD: RESTING,
        Phase.FORWARD: RESTING + 31 * MIB + 512,
        Phase.BACKWARD: RESTING + 50 * MIB,
        Phase.OPTIMIZER: RESTING + 20 * MIB + 512,
        Phase.ZERO_GRAD: RESTING + 20 * MIB,
    }
    assert [(s.step, s.allocated_bytes) for s in need.steps] == [
        (0, RESTING),
        (1, need.peak_allocated_bytes),
        (2, need.peak_allocated_bytes),
    ]
    assert max(s.reserved_bytes for s in need.steps) == need.peak_reserved_bytes


def test_three_numbers(need: Footprint) -> None:
    assert need.peak_reserved_bytes == (40 + 2 + 30 + 20) * MIB
    assert need.unused_reserve_bytes == need.peak_reserved_bytes - need.peak_allocated_bytes
    assert need.device_bytes(context_bytes=500 * MIB) == need.peak_reserved_bytes + 500 * MIB


def test_the_footprint_of_a_run_that_fails_is_what_it_reached() -> None:
    run = replay(TIMELINE, capacity=80 * MIB)
    need = footprint(TIMELINE, run)
    assert need.out_of_memory is not None
    assert need.out_of_memory.phase is Phase.FORWARD
    assert need.peak_allocated_bytes == RESTING + 30 * MIB == sum(need.by_category.values())
    assert need.resting == {Phase.LOAD: RESTING}, "forward did not end"
    nothing = footprint(TIMELINE, replay(TIMELINE, capacity=MIB))
    assert (nothing.instant, nothing.parts, nothing.peak_allocated_bytes) == (None, (), 0)


def test_a_repeated_step_is_part_of_the_footprint() -> None:
    need = footprint(TIMELINE, replay(TIMELINE, repeat_last_step=2))
    assert [s.step for s in need.steps] == [0, 1, 2, 3, 4]
    assert need.by_category == footprint(TIMELINE).by_category


def test_every_sample_adds_up_and_the_peak_is_among_them(need: Footprint) -> None:
    run = replay(TIMELINE)
    for points in (1, 3, 7, 1000):
        taken = samples(run, points)
        assert len(taken) == min(points, len(TIMELINE.trace))
        assert max(s.allocated_bytes for s in taken) == need.peak_allocated_bytes
        for sample in taken:
            assert sum(sample.by_category.values()) == sample.allocated_bytes == run.allocated[sample.index]
            assert run.reserved[sample.index] == sample.reserved_bytes
    assert [s.index for s in samples(run, 1000)] == list(range(len(TIMELINE.trace)))
    with pytest.raises(ValueError, match="at least 1"):
        samples(run, 0)


def test_nothing_at_all() -> None:
    need = footprint(build((Phase.LOAD, 0)))
    assert (need.peak_allocated_bytes, need.parts, need.resting) == (0, (), {Phase.LOAD: 0})
    assert samples(replay(build((Phase.LOAD, 0))), 10) == ()


@given(
    sizes=st.lists(
        st.tuples(st.integers(1, 40 * MIB), st.sampled_from(Category), st.booleans()), max_size=30
    ),
    capacity=st.none() | st.integers(0, 300 * MIB),
)
def test_any_parts_add_up(sizes: list[tuple[int, Category, bool]], capacity: int | None) -> None:
    script: list[object] = [(Phase.LOAD, 0)]
    for name, (size, category, dies) in enumerate(sizes):
        script += [(name, block(size, category, str(name % 3)))] + [name] * dies
    timeline: Timeline = build(*script)
    need = footprint(timeline, replay(timeline, capacity=capacity))
    for parts in (need.by_category, need.by_component, need.by_category_and_component, need.by_phase_born):
        assert sum(parts.values()) == need.peak_allocated_bytes
    assert need.rounding_bytes >= 0
    assert need.unused_reserve_bytes >= 0
