"""The GPU of this machine, and of machines that torch is made to describe."""

from types import SimpleNamespace

import pytest
import torch

from anatomy.hardware import detect


def _pretend(monkeypatch: pytest.MonkeyPatch, hip: str | None = None, **properties: object) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(**properties))
    monkeypatch.setattr(torch.version, "hip", hip)


def test_a_machine_without_a_gpu_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert detect() is None


def test_an_index_past_the_last_gpu_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(monkeypatch)
    assert detect(1) is None


@pytest.mark.parametrize(("major", "bf16"), [(7, False), (8, True), (9, True), (12, True)])
def test_what_torch_reports_is_taken_over(monkeypatch: pytest.MonkeyPatch, major: int, bf16: bool) -> None:
    _pretend(
        monkeypatch,
        name="NVIDIA X",
        total_memory=81038 << 20,
        major=major,
        minor=0,
        multi_processor_count=108,
    )
    gpu = detect()
    assert gpu is not None
    assert (gpu.name, gpu.memory_bytes, gpu.multiprocessors) == ("NVIDIA X", 81038 << 20, 108)
    assert (gpu.compute_capability, gpu.bf16, gpu.vendor, gpu.nominal) == (
        f"{major}.0",
        bf16,
        "NVIDIA",
        False,
    )


def test_an_amd_card_is_known_by_its_target(monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(
        monkeypatch,
        hip="6.2",
        name="AMD Instinct MI300X",
        total_memory=196592 << 20,
        major=9,
        minor=4,
        multi_processor_count=304,
        gcnArchName="gfx942:sramecc+:xnack-",
    )
    gpu = detect()
    assert gpu is not None
    assert (gpu.vendor, gpu.compute_capability, gpu.bf16) == ("AMD", "gfx942", True)
