"""The catalog of GPUs: figures below the box's, sources, names."""

import subprocess
import sys
from collections import Counter

import pytest

from anatomy.errors import RecipeError
from anatomy.hardware import Gpu, all_gpus, context_for, lookup
from anatomy.units import GIB, MIB

GPUS = all_gpus()


def test_at_least_thirty_are_known_from_t4_to_b200_and_mi300x() -> None:
    assert len(GPUS) >= 30
    assert {"Tesla T4", "B200", "MI300X"} <= {gpu.name for gpu in GPUS}


@pytest.mark.parametrize("gpu", GPUS, ids=lambda g: g.name)
def test_usable_memory_is_below_what_nvidia_smi_and_the_box_say(gpu: Gpu) -> None:
    assert gpu.source
    if gpu.nominal:
        assert gpu.memory_bytes == gpu.nominal_bytes
    else:
        assert 0.9 * gpu.nominal_bytes < gpu.memory_bytes < gpu.nominal_bytes
    if gpu.smi_bytes is not None:
        assert gpu.smi_source
        assert gpu.memory_bytes <= gpu.smi_bytes < gpu.nominal_bytes + 1


@pytest.mark.parametrize("gpu", GPUS, ids=lambda g: g.name)
def test_a_peak_rate_has_a_data_sheet(gpu: Gpu) -> None:
    assert (gpu.peak_flops is None) == (gpu.peak_source is None)


@pytest.mark.parametrize("gpu", GPUS, ids=lambda g: g.name)
def test_bfloat16_needs_compute_capability_eight(gpu: Gpu) -> None:
    if gpu.vendor == "NVIDIA":
        assert gpu.bf16 == (float(gpu.compute_capability) >= 8.0)


def test_most_figures_were_read_from_torch() -> None:
    assert sum(gpu.read_from == "torch" for gpu in GPUS) >= 30


@pytest.mark.parametrize("gpu", GPUS, ids=lambda g: g.name)
def test_every_name_and_alias_finds_its_gpu(gpu: Gpu) -> None:
    for name in (gpu.name, *gpu.aliases):
        assert lookup(name) is gpu


def test_no_two_gpus_share_a_name() -> None:
    names = Counter(name.lower() for gpu in GPUS for name in {gpu.name, *gpu.aliases})
    assert not [name for name, times in names.items() if times > 1]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("rtx4090", "RTX 4090"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("NVIDIA A100-SXM4-80GB", "A100 80GB SXM"),
        ("a100-80gb", "A100 80GB SXM"),
        ("NVIDIA H100 80GB HBM3", "H100 80GB SXM"),
        ("h100", "H100 80GB SXM"),
        ("Tesla T4", "Tesla T4"),
        ("t4", "Tesla T4"),
        ("AMD Instinct MI300X", "MI300X"),
        ("RTX A6000", "RTX A6000"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada"),
    ],
)
def test_names_are_found_as_people_and_drivers_write_them(asked: str, found: str) -> None:
    assert lookup(asked).name == found


@pytest.mark.parametrize(
    ("asked", "hinted"), [("A100", "A100 80GB SXM"), ("V100", "Tesla V100 32GB"), ("RTX 4900", "RTX 4090")]
)
def test_an_unclear_name_is_an_error_that_names_the_close_ones(asked: str, hinted: str) -> None:
    with pytest.raises(RecipeError) as caught:
        lookup(asked)
    assert hinted in str(caught.value.hint)


@pytest.mark.parametrize("asked", ["", "   ", "abacus"])
def test_a_name_like_no_other_points_to_the_list(asked: str) -> None:
    with pytest.raises(RecipeError) as caught:
        lookup(asked)
    assert "anatomy gpus" in str(caught.value.hint)


def test_memory_is_what_the_cited_logs_print() -> None:
    assert lookup("A100 80GB SXM").memory_bytes == 81038 * MIB
    assert f"{lookup('RTX 3090').memory_bytes / GIB:.2f}" == "23.56"
    assert f"{lookup('H100').memory_bytes / GIB:.2f}" == "79.11"
    assert f"{lookup('B200').memory_bytes / GIB:.2f}" == "178.35"


def test_smallest_first() -> None:
    sizes = [gpu.memory_bytes for gpu in GPUS]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("capability", ["8.0", "9.0", "12.0", "gfx942"])
def test_a_context_lies_in_its_published_range(capability: str) -> None:
    context = context_for(capability)
    assert 0 < context.low_bytes <= context.bytes <= context.high_bytes
    assert context.source


def test_the_a100_context_is_the_published_remainder() -> None:
    """nvidia-smi minus replayed reserved in two public runs: 28.9 - 27.2 and 42.2 - 40.5 GiB."""
    assert lookup("A100 80GB SXM").context_bytes == pytest.approx(1.68 * GIB, rel=0.005)


def test_the_catalog_is_read_without_torch() -> None:
    code = (
        "import sys; from anatomy.hardware import lookup; assert lookup('t4').multiprocessors == 40;"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
