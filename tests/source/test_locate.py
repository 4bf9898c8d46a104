import contextlib
import json
from pathlib import Path

import pytest
from checkpoints import checkpoint
from huggingface_hub import constants
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from loopback_hub import COMMIT, LoopbackHub

from anatomy.errors import SourceError
from anatomy.source import hub as hub_reader
from anatomy.source import load

KNOWN = "meta-llama/Llama-3.1-8B"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache, and a hub that must not be asked."""

    def refuse(repo: str, **_: object) -> None:
        raise SourceError(f"the hub was asked for {repo}", "it must not be")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub_reader, "read_hub", refuse)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put_in_cache(cache: Path, repo: str, config: dict[str, object]) -> None:
    folder = cache / f"models--{repo.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    (folder / "snapshots" / COMMIT).mkdir(parents=True)
    (folder / "snapshots" / COMMIT / "config.json").write_text(json.dumps(config))


def test_path_then_cache_then_catalog(no_network: Path) -> None:
    shipped = load(KNOWN)
    assert (shipped.id, shipped.origin.kind, shipped.tensors) == (KNOWN, "catalog", None)
    assert shipped.config is not None
    assert shipped.config["model_type"] == "llama"

    put_in_cache(no_network / "cache", KNOWN, {"model_type": "llama", "hidden_size": 1})
    cached = load(KNOWN)
    assert (cached.origin.kind, cached.origin.revision) == ("cache", COMMIT)
    assert cached.config == {"model_type": "llama", "hidden_size": 1}

    (no_network / KNOWN).mkdir(parents=True)
    (no_network / KNOWN / "config.json").write_text('{"model_type": "gpt2"}')
    local = load(KNOWN)
    assert (local.origin.kind, local.config) == ("folder", {"model_type": "gpt2"})


def test_the_catalog_has_no_revisions() -> None:
    with pytest.raises(SourceError, match=f"the hub was asked for {KNOWN}$"):
        load(f"{KNOWN}@main")


def test_the_catalogs_own_facts_stay_as_they_are() -> None:
    changed = load(KNOWN, overrides={"num_hidden_layers": 1})
    assert changed.config is not None
    assert changed.config["num_hidden_layers"] == 1
    untouched = load(KNOWN)
    assert untouched.config is not None
    assert untouched.config.get("num_hidden_layers") != 1


def test_a_home_relative_path(no_network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(no_network))
    (no_network / "model").mkdir()
    (no_network / "model" / "model.safetensors").write_bytes(checkpoint({"w": ("U8", [1])}))
    assert load("~/model").tensors is not None


@pytest.mark.parametrize(
    ("reference", "fault"),
    [
        ("", "neither a path that exists nor a hub id"),
        ("./absent", "There is no file or folder './absent'"),
        ("~/absent/model", "There is no file or folder"),
        ("/absent", "There is no file or folder"),
        ("a/b/c", "There is no file or folder 'a/b/c'"),
        ("models\\llama", "There is no file or folder"),
        ("absent/config.json", "There is no file or folder"),
        ("model.safetensors", "There is no file or folder"),
        ("model.gguf", "There is no file or folder"),
        ("https://huggingface.co/org/name", "There is no file or folder"),
        ("org/na me", "neither a path that exists nor a hub id"),
        ("org--x/name", "neither a path that exists nor a hub id"),
        ("org/name.git", "neither a path that exists nor a hub id"),
        ("org/name-", "neither a path that exists nor a hub id"),
        ("org/name@", "without a revision"),
        ("org/name@v1", "Two revisions are named"),
    ],
)
def test_references_that_cannot_be(reference: str, fault: str) -> None:
    with pytest.raises(SourceError, match=fault) as caught:
        load(reference, revision="v2" if "Two" in fault else None)
    assert caught.value.hint


def test_a_path_has_no_revision(no_network: Path) -> None:
    with pytest.raises(SourceError, match="is a path, which has no revision 'main'"):
        load(str(no_network), revision="main")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.text(max_size=30))
@example("\x00")
@example("~\x00")
@example("a" * 5000)
@example("~nobody-of-this-name/model")
@example("con@fig/../@")
def test_any_text_is_answered_or_refused(reference: str) -> None:
    with contextlib.suppress(SourceError):
        load(reference)


@pytest.mark.parametrize("typed", ["meta-lama/Llama-3.1-8B", "meta-llama/Llama-3.1-8", "other/llama-3.1-8b"])
def test_an_unknown_id_suggests_what_the_catalog_has(typed: str, hub: LoopbackHub) -> None:
    hub.root.mkdir()
    answer = hub.load(typed)
    assert answer["error"].startswith(f"There is no {typed}")
    assert answer["hint"].startswith("did you mean ")
    assert KNOWN in answer["hint"].partition("?")[0]


def test_the_main_job_needs_no_network(hub: LoopbackHub) -> None:
    """Neither a request nor the HTTP client's import; and what it lacks for a revision, it says."""
    asked = [{"reference": KNOWN, "overrides": {"num_hidden_layers": 4}}]
    answer = hub.ask(*asked)
    assert answer["answers"][0]["config"]["num_hidden_layers"] == 4
    assert not {"torch", "transformers", "pandas", "httpx", "httpx2", "tqdm"} & set(answer["modules"])
    offline = hub.load(f"{KNOWN}@main", {"HF_HUB_OFFLINE": "1"})
    assert "HF_HUB_OFFLINE forbids" in offline["error"]
    assert offline["hint"].startswith("leave the revision out")
    assert hub.requests == []
