import json
from pathlib import Path

from checkpoints import checkpoint, entries, header, index, sparse_checkpoint
from loopback_hub import COMMIT, LoopbackHub

CONFIG = json.dumps({"model_type": "llama", "hidden_size": 64}).encode()
TINY = checkpoint({"w": ("BF16", [2, 2])})
OFFLINE = {"HF_HUB_OFFLINE": "1"}


def test_config_and_headers_come_by_range_and_no_weights(hub: LoopbackHub) -> None:
    """A checkpoint of 40 GB: what crosses the wire is the config and the first bytes."""
    folder = hub.repository("test-org/large", config__json=CONFIG)
    sparse_checkpoint(folder / "model.safetensors", {"w": ("BF16", [200_000, 100_000])})
    blueprint = hub.load("test-org/large")
    assert blueprint["origin"] == {"kind": "hub", "location": "test-org/large", "revision": COMMIT}
    assert blueprint["config"] == json.loads(CONFIG)
    assert [(tensor["name"], tensor["shape"]) for tensor in blueprint["tensors"]] == [
        ("w", [200_000, 100_000])
    ]
    assert hub.served_bytes <= 100_000 + len(CONFIG)
    asked = [wanted for _, path, wanted in hub.requests if path.endswith(".safetensors")]
    assert asked == ["bytes=0-99999"]


def test_a_long_header_is_asked_for_again_whole_and_no_further(hub: LoopbackHub) -> None:
    folder = hub.repository("test-org/long", config__json=CONFIG)
    tensors = {f"model.layers.{i}.weight": ("BF16", [1000, 1000]) for i in range(5000)}
    length = sparse_checkpoint(folder / "model.safetensors", tensors)
    assert length > 100_000
    blueprint = hub.load("test-org/long")
    assert len(blueprint["tensors"]) == 5000
    assert [wanted for _, path, wanted in hub.requests if path.endswith(".safetensors")] == [
        "bytes=0-99999",
        f"bytes=100000-{length - 1}",
    ]


def test_a_server_that_ignores_ranges_is_not_listened_to(hub: LoopbackHub) -> None:
    """It would send 40 GB; the connection is closed once the header is there."""
    hub.ignores_ranges = True
    folder = hub.repository("test-org/large", config__json=CONFIG)
    sparse_checkpoint(folder / "model.safetensors", {"w": ("BF16", [200_000, 100_000])})
    assert len(hub.load("test-org/large")["tensors"]) == 1
    assert hub.served_bytes < 64_000_000  # what the sockets' buffers took before the close was noticed


def test_a_redirect_to_a_store_keeps_the_range(hub: LoopbackHub) -> None:
    hub.stores_weights_elsewhere = True
    folder = hub.repository("test-org/large", config__json=CONFIG)
    sparse_checkpoint(folder / "model.safetensors", {"w": ("BF16", [200_000, 100_000])})
    assert len(hub.load("test-org/large")["tensors"]) == 1
    assert ("GET", "/store/test-org/large/model.safetensors", "bytes=0-99999") in hub.requests
    assert hub.served_bytes <= 100_000 + len(CONFIG)


def test_shards_are_read_through_their_index(hub: LoopbackHub) -> None:
    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    folder = hub.repository("test-org/sharded", config__json=CONFIG)
    (folder / "model.safetensors.index.json").write_bytes(index({"a": first, "b": second}))
    sparse_checkpoint(folder / first, {"a": ("BF16", [100_000, 1000])})
    blueprint = hub.load("test-org/sharded")
    assert f"names files that are missing: {second}" in blueprint["error"]
    sparse_checkpoint(folder / second, {"b": ("F32", [100_000, 1000])})
    blueprint = hub.load("test-org/sharded", {"HF_HOME": str(hub.home / "fresh")})
    assert {tensor["name"]: tensor["file"] for tensor in blueprint["tensors"]} == {"a": first, "b": second}


def test_the_second_answer_is_the_first_without_a_request(hub: LoopbackHub) -> None:
    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    folder = hub.repository("test-org/sharded", config__json=CONFIG)
    (folder / "model.safetensors.index.json").write_bytes(index({"a": first, "b": second}))
    (folder / first).write_bytes(checkpoint({"a": ("BF16", [4])}))
    (folder / second).write_bytes(checkpoint({"b": ("BF16", [4])}))
    hub.repository("test-org/single", config__json=CONFIG, model__safetensors=TINY)
    for repo in ("test-org/sharded", "test-org/single"):
        online = hub.load(repo)
        hub.requests.clear()
        for environment in ({}, OFFLINE):
            again = hub.load(repo, environment)
            assert again["origin"] == {"kind": "cache", "location": repo, "revision": COMMIT}
            assert (again["config"], again["tensors"]) == (online["config"], online["tensors"])
        assert hub.requests == []


def test_the_cache_gives_what_it_holds(hub: LoopbackHub) -> None:
    """A config that another program downloaded, then weights too: no request in either case."""
    snapshot = hub.home / "hub" / "models--test-org--tiny" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    refs = hub.home / "hub" / "models--test-org--tiny" / "refs"
    refs.mkdir()
    (refs / "main").write_text(COMMIT)
    (snapshot / "config.json").write_bytes(CONFIG)
    config_only = hub.load("test-org/tiny")
    assert (config_only["origin"]["kind"], config_only["tensors"]) == ("cache", None)
    assert "The cache holds no safetensors headers" in config_only["notes"][0]
    (snapshot / "model.safetensors").write_bytes(TINY)
    assert [tensor["name"] for tensor in hub.load("test-org/tiny")["tensors"]] == ["w"]
    (snapshot / "model.safetensors").write_bytes(TINY[:-1])
    assert "7 bytes of data where its header describes 8" in hub.load("test-org/tiny")["error"]
    assert hub.requests == []


def test_a_cached_branch_does_not_answer_for_another(hub: LoopbackHub) -> None:
    hub.repository("test-org/tiny", config__json=CONFIG, model__safetensors=TINY)
    assert hub.load("test-org/tiny")["origin"]["kind"] == "hub"
    by_branch = hub.load("test-org/tiny@v2")
    assert by_branch["origin"] == {"kind": "hub", "location": "test-org/tiny", "revision": COMMIT}
    assert by_branch["id"] == "test-org/tiny"
    assert len(by_branch["tensors"]) == 1
    ranges = [wanted for _, _, wanted in hub.requests if wanted]
    assert len(ranges) == 1, "the same commit's headers are asked for once"
    assert hub.load("test-org/tiny", revision="v2")["origin"]["kind"] == "cache"
    assert hub.load(f"test-org/tiny@{COMMIT}")["origin"]["kind"] == "cache"


def test_an_absent_revision_is_named(hub: LoopbackHub) -> None:
    hub.repository("test-org/tiny", config__json=CONFIG)
    answer = hub.load("test-org/tiny@v3")
    assert answer["error"] == "test-org/tiny has no revision 'v3'."
    assert answer["hint"]


def test_an_unknown_id(hub: LoopbackHub) -> None:
    hub.root.mkdir()
    answer = hub.load("test-org/absent")
    assert answer["error"].startswith("There is no test-org/absent")
    assert "anatomy models" in answer["hint"]


def test_a_gated_repository(hub: LoopbackHub) -> None:
    hub.repository("test-org/gated", config__json=CONFIG, model__safetensors=TINY)
    hub.gated.add("test-org/gated")
    answer = hub.load("test-org/gated")
    assert answer["error"].startswith("test-org/gated is gated")
    assert "hf auth login" in answer["hint"]
    assert f"{hub.endpoint}/test-org/gated" in answer["hint"]
    assert len(hub.load("test-org/gated", {"HF_TOKEN": "hf_test"})["tensors"]) == 1


def test_offline_without_a_cache(hub: LoopbackHub) -> None:
    hub.repository("test-org/tiny", config__json=CONFIG)
    answer = hub.load("test-org/tiny", OFFLINE)
    assert "HF_HUB_OFFLINE forbids" in answer["error"]
    assert "anatomy models" in answer["hint"]
    assert hub.requests == []


def test_no_connection(hub: LoopbackHub) -> None:
    answer = hub.load("test-org/tiny", {"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert "http://127.0.0.1:9 cannot be reached" in answer["error"]
    assert "check the network" in answer["hint"]


def test_a_hub_in_trouble(hub: LoopbackHub) -> None:
    hub.repository("test-org/tiny", config__json=CONFIG)
    hub.failing["config.json"] = 503
    answer = hub.load("test-org/tiny")
    assert answer["error"] == "The hub could not answer for test-org/tiny (503)."
    hub.failing["config.json"] = 401
    assert "hf auth login" in hub.load("test-org/tiny")["hint"]


def test_headers_that_cannot_be_had_leave_a_note(hub: LoopbackHub) -> None:
    hub.repository("test-org/pickled", config__json=CONFIG, pytorch_model__bin=b"cos\nsystem\n")
    pickled = hub.load("test-org/pickled")
    assert (pickled["config"], pickled["tensors"]) == (json.loads(CONFIG), None)
    assert "has neither model.safetensors nor" in pickled["notes"][0]
    assert not any(path.endswith(".bin") for _, path, _ in hub.requests)
    hub.repository("test-org/barred", config__json=CONFIG, model__safetensors=TINY)
    hub.failing["model.safetensors"] = 403
    barred = hub.load("test-org/barred")
    assert barred["tensors"] is None
    assert "headers could not be read: The hub refused" in barred["notes"][0]
    hub.failing.clear()
    hub.requests.clear()
    fresh = {"HF_HOME": str(hub.home / "fresh")}
    assert hub.load("test-org/barred", fresh, headers=False)["notes"] == []
    assert not any(path.endswith(".safetensors") for _, path, _ in hub.requests)


def test_headers_are_enough_where_there_is_no_config(hub: LoopbackHub) -> None:
    hub.repository("test-org/bare", model__safetensors=TINY)
    blueprint = hub.load("test-org/bare")
    assert blueprint["config"] is None
    assert len(blueprint["tensors"]) == 1
    hub.repository("test-org/empty", model__gguf=b"GGUF")
    assert "has no config.json" in hub.load("test-org/empty")["error"]


def test_a_config_of_absurd_size_is_not_downloaded(hub: LoopbackHub) -> None:
    folder = hub.repository("test-org/huge")
    with (folder / "config.json").open("wb") as file:
        file.truncate(40_000_000_000)
    assert "config.json is 40,000,000,000 bytes" in hub.load("test-org/huge")["error"]
    assert hub.served_bytes < 64_000_000  # what the sockets' buffers took before the close was noticed


def test_hostile_content_is_an_error(hub: LoopbackHub) -> None:
    overlapping = entries({"a": ("U8", [4]), "b": ("U8", [4])})
    overlapping["b"]["data_offsets"] = [0, 4]
    twice = json.dumps(entries({"a": ("U8", [8])})).encode()
    files = {
        "overlap": header(overlapping) + bytes(8),
        "endless": (2**62).to_bytes(8, "little") + b"{}",
        "short": header(entries({"a": ("U8", [8])})) + bytes(7),
        "twice": header(twice[:-1] + b"," + twice[1:]) + bytes(8),
    }
    for name, data in files.items():
        hub.repository(f"test-org/{name}", config__json=CONFIG, model__safetensors=data)
    hub.repository("test-org/traversal", config__json=CONFIG)
    (hub.root / "test-org/traversal/model.safetensors.index.json").write_bytes(
        index({"a": "../../x.safetensors"})
    )
    hub.repository("test-org/broken", config__json=b"{", model__safetensors=TINY)
    answers = hub.ask(*({"reference": f"test-org/{name}"} for name in (*files, "traversal", "broken")))[
        "answers"
    ]
    faults = [
        "overlaps",
        "declares a header",
        "7 bytes of data",
        "twice",
        "not the name of",
        "not valid JSON",
    ]
    for answer, fault in zip(answers, faults, strict=True):
        assert fault in answer["error"]
        assert answer["hint"]


def test_a_damaged_cache_of_headers_is_refused(hub: LoopbackHub) -> None:
    hub.repository("test-org/tiny", config__json=CONFIG, model__safetensors=TINY)
    hub.load("test-org/tiny")
    (kept,) = Path(hub.home, "assets").rglob("*.header")
    kept.write_bytes(kept.read_bytes()[:-5])
    assert "is truncated" in hub.load("test-org/tiny")["error"]


def test_the_hub_is_asked_without_torch_or_transformers(hub: LoopbackHub) -> None:
    hub.repository("test-org/tiny", config__json=CONFIG, model__safetensors=TINY)
    modules = hub.ask({"reference": "test-org/tiny"})["modules"]
    assert not {"torch", "transformers", "pandas", "peft", "accelerate", "numpy"} & set(modules)
