"""Two tiny models in a folder of their own, which is the current one; and no waiting before a run is asked for."""

from pathlib import Path

import pytest
from made_backstage import models


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the models are; nothing else is written there."""
    folder = tmp_path_factory.mktemp("models")
    models(folder)
    return folder


@pytest.fixture
def here(tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new folder with these models in it, which the test is in."""
    for folder in model_folder.iterdir():
        (tmp_path / folder.name).symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("anatomy.tui.app.PAUSE", 0.01)
    return tmp_path
