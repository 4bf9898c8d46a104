"""Trainers' files written for a test."""

import json

import pytest

from anatomy.trainers.read import read_config


@pytest.fixture
def reading(tmp_path):
    """What a file with the given settings reads as; `kind` as for `read_config`."""

    def call(settings, kind=None, name="settings.yaml"):
        file = tmp_path / name
        file.write_text(settings if isinstance(settings, str) else json.dumps(settings))
        return read_config(str(file), kind)

    return call
