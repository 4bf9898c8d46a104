"""A decoder in many shards, shown from the hub: a request each, and neither torch nor much memory."""

import json
import math
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from checkpoints import checkpoint, index, sparse_checkpoint
from loopback_hub import PACKAGE_ROOT, LoopbackHub

from anatomy.source import load

LAYERS, WIDTH, INNER, VOCABULARY = 60, 8192, 28672, 128256
CONFIG = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "vocab_size": VOCABULARY,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}

SHOW = """
import re, sys
from pathlib import Path
from anatomy.cli import main
try:
    main(["show", "test-org/large", "--json"])
except SystemExit as done:
    assert not done.code
# Not ru_maxrss: a new program starts with that of the process it was forked from.
peak = int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])
print(peak, *sorted({"torch", "transformers", "numpy", "yaml", "tqdm"} & set(sys.modules)), file=sys.stderr)
"""


def layer(number: int) -> dict[str, list[int]]:
    shapes = {
        **{f"self_attn.{name}_proj": [WIDTH, WIDTH] for name in "qo"},
        **{f"self_attn.{name}_proj": [WIDTH // 8, WIDTH] for name in "kv"},
        **{f"mlp.{name}_proj": [INNER, WIDTH] for name in ("gate", "up")},
        "mlp.down_proj": [WIDTH, INNER],
        **{f"{name}_layernorm": [WIDTH] for name in ("input", "post_attention")},
    }
    return {f"model.layers.{number}.{name}.weight": shape for name, shape in shapes.items()}


def write(folder: Path) -> int:
    """A shard for each layer, one for the rest, and an empty one at the end; returns the elements."""
    ends = {"model.embed_tokens.weight": [VOCABULARY, WIDTH], "lm_head.weight": [VOCABULARY, WIDTH]}
    shards = [*map(layer, range(LAYERS)), {**ends, "model.norm.weight": [WIDTH]}]
    names = [f"model-{number:05}-of-{LAYERS + 2:05}.safetensors" for number in range(1, LAYERS + 3)]
    for name, shapes in zip(names, shards, strict=False):
        sparse_checkpoint(folder / name, {tensor: ("BF16", shape) for tensor, shape in shapes.items()})
    (folder / names[-1]).write_bytes(checkpoint({}))
    weight_map = {tensor: name for name, shapes in zip(names, shards, strict=False) for tensor in shapes}
    (folder / "model.safetensors.index.json").write_bytes(index(weight_map))
    return sum(math.prod(shape) for shapes in shards for shape in shapes.values())


@pytest.fixture
def large(hub: LoopbackHub) -> int:
    """The elements of test-org/large, which the hub serves."""
    return write(hub.repository("test-org/large", config__json=json.dumps(CONFIG).encode()))


def test_shown_by_one_request_a_shard(hub: LoopbackHub, large: int) -> None:
    settings = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(hub.home), "HF_HUB_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SHOW],
        env={key: value for key, value in os.environ.items() if not key.startswith("HF_")} | settings,
        cwd=PACKAGE_ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    parameters = json.loads(done.stdout)["parameters"]
    assert (parameters["total"], parameters["stored"]) == (large, large)
    peak, *heavy = done.stderr.split()
    assert heavy == []
    assert int(peak) < 100 * 1024
    asked = Counter(path.rpartition("/")[2] for _, path, _ in hub.requests)
    assert set(asked.values()) == {1}
    assert len(asked) == 3 + LAYERS + 1, (
        "config, model.safetensors, index, and the shards that the index names"
    )
    assert hub.served_bytes < 1_000_000 + 100_000 * (LAYERS + 1)


def test_progress_counts_the_shards(near_hub: LoopbackHub, large: int) -> None:
    told: list[str] = []
    blueprint = load("test-org/large", progress=told.append)
    assert sum(tensor.elements for tensor in blueprint.tensors or ()) == large
    assert told == [f"reading the header of shard {n} of {LAYERS + 1}" for n in range(1, LAYERS + 2)]


def test_a_folder_with_an_empty_last_shard(tmp_path: Path) -> None:
    elements = write(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    assert sum(tensor.elements for tensor in load(str(tmp_path)).tensors or ()) == elements
    (tmp_path / "model.safetensors.index.json").unlink()
    assert sum(tensor.elements for tensor in load(str(tmp_path)).tensors or ()) == elements
