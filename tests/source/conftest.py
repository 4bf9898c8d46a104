from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback_hub import LoopbackHub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LoopbackHub]:
    loopback = LoopbackHub(tmp_path)
    yield loopback
    loopback.close()


@pytest.fixture
def near_hub(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> LoopbackHub:
    """The hub as this process's own, with little patience."""
    from huggingface_hub import constants

    from anatomy.source import ranges

    monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub.home / "hub"))
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(hub.home / "assets"))
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
    monkeypatch.setattr(ranges, "_WAITS_SECONDS", (0.0, 0.01, 0.02))
    monkeypatch.setenv("HF_TOKEN", "")
    return hub
