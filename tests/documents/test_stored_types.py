"""A GGUF file as `anatomy show` says it: bytes and bits by type, without torch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from anatomy.api import show
from anatomy.documents.show.model import show_document
from anatomy.documents.show.stored_types import types_table
from anatomy.render import render

sys.path.insert(0, str(Path(__file__).parents[1] / "source"))
from gguf_files import LLAMA, gguf, llama

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(LLAMA, llama()))
    return path


def test_bytes_and_bits_of_each_type_add_up(path):
    stored = show(str(path)).stored
    assert stored is not None
    table = types_table(stored)
    assert table is not None
    rows = {row[0]: row[1:] for row in table.rows}
    # By hand: the embedding, queries, outputs, gates and ups in Q4_K (144 bytes for 256), keys half of queries.
    q4 = 512 * 256 + 2 * (256 * 256 + 128 * 256 + 256 * 256 + 2 * 512 * 256)
    q8 = 512 * 256 + 2 * (128 * 256 + 512 * 256)
    assert rows["Q4_K"][:2] == (q4, q4 * 144 // 256)
    assert rows["Q8_0"][:2] == (q8, q8 * 34 // 32)
    assert rows["float32"][:2] == (5 * 256, 5 * 256 * 4)
    assert (rows["Q4_K"][3], rows["Q8_0"][3], rows["float32"][3]) == (4.5, 8.5, 32.0)
    assert table.total is not None
    for at in (1, 2):
        assert table.total[at] == sum(row[at] for row in table.rows)
    assert table.total[4] == 8 * stored.stored_bytes / stored.elements
    content = path.read_bytes()
    assert stored.stored_bytes <= len(content) <= stored.stored_bytes + 4_096


def test_every_format_says_it(path):
    document = show_document(show(str(path)))
    said = json.loads(render(document, "json"))["stored"]
    assert said["bytes"] == sum(said["bytes_by_dtype"].values())
    assert said["bits_per_weight"] == 8 * said["bytes"] / said["elements"]
    for format_ in ("table", "md"):
        assert "bits/weight" in render(document, format_)


def test_dense_checkpoints_have_no_such_table(tmp_path):
    from anatomy.architecture.facts import Facts
    from anatomy.architecture.stored import compare
    from anatomy.architecture.tree import tree_from_shapes
    from anatomy.blueprint import TensorHeader

    tree, _ = tree_from_shapes({"w": (2, 2)}, Facts())
    stored = compare((TensorHeader(name="w", dtype="BF16", shape=(2, 2)),), tree, facts=Facts())
    assert types_table(stored) is None


def test_neither_torch_nor_transformers_is_imported(path):
    heavy = ("torch", "transformers", "huggingface_hub.hf_api")
    code = (
        "import sys\nfrom anatomy.cli import main\ntry:\n    main()\nfinally:\n"
        f"    print([name for name in {heavy} if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, "show", str(path), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.rstrip().endswith("[]"), done.stdout[-300:] + done.stderr
