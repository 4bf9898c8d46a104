"""What files say is shown, never obeyed by the terminal that it is shown on."""

import json
from pathlib import Path

import pytest

from anatomy.render.shown import shown


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain, ünïcode, 你好, │ 1 × 2\n\ttab\r\n", "plain, ünïcode, 你好, │ 1 × 2\n\ttab\r\n"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m\x7f\x00", "\\x9b31m\\x7f\\x00"),
        ("a\udcffb", "a\\udcffb"),
        ("\u202eevil", "\\u202eevil"),
        ("\x1b[31m", "\\x1b[31m"),
    ],
)
def test_control_characters_are_written_out(text, safe):
    assert shown(text) == safe


def test_styles_of_our_own_stay():
    assert shown("\x1b[1;31mred\x1b[0m\x1b[2J", styles=True) == "\x1b[1;31mred\x1b[0m\\x1b[2J"


@pytest.mark.parametrize("format_", ["table", "md", "csv"])
def test_a_hostile_config_s_words_are_shown(tmp_path: Path, format_):
    from anatomy.architecture.anatomy import count_headers
    from anatomy.blueprint import Blueprint, Origin, TensorHeader
    from anatomy.documents.show.model import show_document
    from anatomy.render import render

    config = json.loads(
        '{"layer_types": ["a\\u001b[2J", "b"], "quantization_config": {"quant_method": "\\u009b2J"}}'
    )
    tensors = (TensorHeader(name="model.layers.0.mlp.up_proj.weight", dtype="BF16", shape=(4, 4)),)
    anatomy = count_headers(
        Blueprint(
            id="x\x1b[2J", origin=Origin(kind="file", location=str(tmp_path)), config=config, tensors=tensors
        )
    )
    text = render(show_document(anatomy), format_)
    assert not set(text) & {"\x1b", "\x9b"}
    assert "up_proj" in text or format_ == "csv"
