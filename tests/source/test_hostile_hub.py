"""A hub that is slow, drops connections, refuses for a while or sends something else than was asked for.

What passes is asked for again; what does not ends in one sentence, soon; and nothing half is kept.
"""

import json
import time
from itertools import repeat
from pathlib import Path

import pytest
from checkpoints import checkpoint, index
from huggingface_hub import constants
from loopback_hub import COMMIT, LoopbackHub

from anatomy.errors import SourceError
from anatomy.source import load
from anatomy.source.ranges import read_range

CONFIG = json.dumps({"model_type": "llama", "hidden_size": 64}).encode()
TINY = checkpoint({"w": ("BF16", [2, 2])})
FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"

PASSING = [
    *(
        "status 429",
        "status 429 after 0",
        "status 500",
        "status 502",
        "status 503",
        "status 503 after 0",
        "status 504",
    ),
    *("drop", "stall", "cut", "trickle", "short part", "other part", "no part", "wrong size", "no http"),
]


def kept(hub: LoopbackHub) -> dict[str, bytes]:
    """Every file under the cache, by its name."""
    return {path.name: path.read_bytes() for path in hub.home.rglob("*") if path.is_file()}


def header_of(data: bytes) -> bytes:
    return data[: 8 + int.from_bytes(data[:8], "little")]


@pytest.mark.parametrize("trick", PASSING)
def test_what_passes_is_asked_for_again(trick: str, near_hub: LoopbackHub) -> None:
    near_hub.repository("test-org/tiny", config__json=CONFIG, model__safetensors=TINY)
    near_hub.mischief = {name: iter([trick]) for name in ("config.json", "model.safetensors")}
    blueprint = load("test-org/tiny")
    assert blueprint.config == json.loads(CONFIG)
    assert [tensor.name for tensor in blueprint.tensors or ()] == ["w"]
    assert blueprint.notes == ()
    assert kept(near_hub) == {
        "main.ref": COMMIT.encode(),
        "config.json": CONFIG,
        "model.safetensors.header": header_of(TINY),
    }


@pytest.mark.parametrize("trick", PASSING)
def test_what_does_not_pass_ends_in_a_sentence_soon(trick: str, near_hub: LoopbackHub) -> None:
    near_hub.repository("test-org/tiny", config__json=CONFIG, model__safetensors=TINY)
    near_hub.mischief["config.json"] = repeat(trick)
    began = time.monotonic()
    with pytest.raises(SourceError, match=r"^[^\n]*test-org/tiny[^\n]*\.$") as caught:
        load("test-org/tiny")
    assert time.monotonic() - began < 2.5
    assert caught.value.hint
    assert 2 <= len(near_hub.requests) <= 4
    assert kept(near_hub) == {}


@pytest.mark.parametrize("trick", PASSING)
def test_headers_that_do_not_come_leave_a_note_and_nothing_half(trick: str, near_hub: LoopbackHub) -> None:
    near_hub.repository("test-org/sharded", config__json=CONFIG)
    folder = near_hub.root / "test-org/sharded"
    (folder / "model.safetensors.index.json").write_bytes(index({"a": FIRST, "b": SECOND}))
    for name, tensor in ((FIRST, "a"), (SECOND, "b")):
        (folder / name).write_bytes(checkpoint({tensor: ("BF16", [4])}))
    near_hub.mischief[SECOND] = repeat(trick)
    blueprint = load("test-org/sharded")
    assert (blueprint.config, blueprint.tensors) == (json.loads(CONFIG), None)
    assert blueprint.notes[0].startswith("The safetensors headers could not be read: ")
    written = (folder / "model.safetensors.index.json").read_bytes()
    assert kept(near_hub) == {"model.safetensors.index.json": written}
    near_hub.mischief.clear()
    again = load("test-org/sharded")
    assert (again.origin.kind, len(again.tensors or ())) == ("hub", 2)
    assert load("test-org/sharded").origin.kind == "cache"
    (together,) = near_hub.home.rglob("*.headers")
    together.write_bytes(together.read_bytes()[:-3])
    with pytest.raises(SourceError, match=f"{SECOND} is truncated"):
        load("test-org/sharded")


def test_a_server_that_asks_for_much_patience_gets_none(near_hub: LoopbackHub) -> None:
    near_hub.repository("test-org/tiny", config__json=CONFIG)
    near_hub.mischief["config.json"] = repeat("status 429 after 3600")
    with pytest.raises(SourceError, match=r"could not answer for test-org/tiny \(429\)"):
        load("test-org/tiny")
    assert len(near_hub.requests) == 1


@pytest.mark.parametrize(
    ("trick", "said"),
    [
        ("loop", "cannot be reached"),
        ("other scheme", "cannot be reached"),
        ("login page", "not valid JSON"),
        ("odd error", "could not answer"),
        ("status 301", "its status is 301"),
        ("status 403", "refused to show"),
        ("status 410", "could not answer"),
    ],
)
def test_what_is_no_hub_is_said_to_be_none(trick: str, said: str, near_hub: LoopbackHub) -> None:
    near_hub.repository("test-org/tiny", config__json=CONFIG)
    near_hub.mischief["config.json"] = repeat(trick)
    with pytest.raises(SourceError, match=said) as caught:
        load("test-org/tiny")
    assert caught.value.hint
    assert "/etc/hostname" not in caught.value.message


def test_the_body_of_a_refusal_is_not_read(near_hub: LoopbackHub) -> None:
    """It may be as long as the server likes."""
    near_hub.repository("test-org/tiny", config__json=CONFIG, model__safetensors=TINY)
    near_hub.mischief["config.json"] = repeat("endless error")
    assert load("test-org/tiny").config is None


def test_an_answer_without_a_length_is_read(near_hub: LoopbackHub) -> None:
    near_hub.repository("test-org/tiny", config__json=CONFIG, model__safetensors=TINY)
    near_hub.mischief = {name: repeat("no length") for name in ("config.json", "model.safetensors")}
    blueprint = load("test-org/tiny")
    assert (blueprint.config, len(blueprint.tensors or ())) == (json.loads(CONFIG), 1)


def test_more_than_was_asked_for_is_left_where_it_is(near_hub: LoopbackHub) -> None:
    near_hub.repository("test-org/tiny", config__json=CONFIG, model__safetensors=TINY)
    near_hub.mischief["config.json"] = repeat("long part")
    assert load("test-org/tiny").config == json.loads(CONFIG)


def test_any_part_of_any_file(near_hub: LoopbackHub) -> None:
    data = bytes(range(256)) * 40
    near_hub.repository("test-org/other", model__gguf=data)
    ask = ("test-org/other", "model.gguf")
    assert read_range(*ask, 0, 10) == data[:10]
    assert read_range(*ask, 5_000, 6_000, revision="v2") == data[5_000:6_000]
    assert read_range(*ask, 10_000, 20_000) == data[10_000:]
    assert read_range(*ask, 7, 7) == b""
    near_hub.ignores_ranges = True
    assert read_range(*ask, 5_000, 6_000) == data[5_000:6_000]
    with pytest.raises(SourceError, match="the whole file is sent where a part was asked for"):
        read_range(*ask, 5_000_000, 6_000_000)
    with pytest.raises(SourceError, match="absent"):
        read_range("test-org/absent", "model.gguf", 0, 10)


def test_a_token_that_was_logged_in_with_is_sent(
    near_hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`hf auth login` leaves it in a file; without one, and without a setting, none is looked for."""
    near_hub.repository("test-org/gated", config__json=CONFIG, model__safetensors=TINY)
    near_hub.gated.add("test-org/gated")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    with pytest.raises(SourceError, match="gated"):
        load("test-org/gated")
    (tmp_path / "token").write_text("hf_test")
    assert len(load("test-org/gated").tensors or ()) == 1
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    with pytest.raises(SourceError, match="gated"):
        load("test-org/gated@v2")


def test_an_unwritable_cache_costs_nothing_but_the_next_request(
    near_hub: LoopbackHub, tmp_path: Path
) -> None:
    near_hub.repository("test-org/tiny", config__json=CONFIG, model__safetensors=TINY)
    near_hub.home.mkdir()
    (near_hub.home / "assets").write_text("a file where a folder belongs")
    assert len(load("test-org/tiny").tensors or ()) == 1
    assert load("test-org/tiny").origin.kind == "hub"
    assert kept(near_hub) == {"assets": b"a file where a folder belongs"}
