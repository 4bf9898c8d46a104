import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from checkpoints import checkpoint, sparse_checkpoint
from loopback_hub import PACKAGE_ROOT

from anatomy.errors import SourceError
from anatomy.source import load

CONFIG = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "model.safetensors").write_bytes(checkpoint({"w": ("BF16", [2, 2])}))
    return tmp_path


def test_a_folder_gives_config_and_headers(folder: Path) -> None:
    blueprint = load(str(folder))
    assert blueprint.config == CONFIG
    assert blueprint.tensors is not None
    assert [(tensor.name, tensor.shape) for tensor in blueprint.tensors] == [("w", (2, 2))]
    assert (blueprint.origin.kind, blueprint.origin.location) == ("folder", str(folder))
    assert blueprint.notes == ()


def test_headers_can_be_left_out(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"damaged")
    assert load(str(folder), headers=False).tensors is None
    with pytest.raises(SourceError):
        load(str(folder))


def test_a_file_is_read_alone_and_says_what_lies_beside_it(folder: Path) -> None:
    config_only = load(str(folder / "config.json"))
    assert (config_only.config, config_only.tensors, config_only.origin.kind) == (CONFIG, None, "file")
    assert "headers" in config_only.notes[0]
    headers_only = load(str(folder / "model.safetensors"))
    assert headers_only.config is None
    assert headers_only.tensors is not None
    assert "config.json" in headers_only.notes[0]


def test_a_folder_of_config_alone_says_that_the_checkpoint_is_unknown(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert "holds no safetensors files" in load(str(folder)).notes[0]
    assert load(str(folder), headers=False).notes == ()


def test_a_single_file_of_any_name_is_the_checkpoint(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "consolidated.safetensors")
    (folder / "adapter_model.safetensors").write_bytes(checkpoint({"lora_A": ("F32", [1])}))
    blueprint = load(str(folder))
    assert blueprint.tensors is not None
    assert [tensor.name for tensor in blueprint.tensors] == ["w"]


def test_weights_are_not_read(folder: Path) -> None:
    """40 GB in a file that takes no room: reading it would take far longer than any test may."""
    sparse_checkpoint(folder / "model.safetensors", {"w": ("BF16", [200_000, 100_000])})
    blueprint = load(str(folder))
    assert blueprint.tensors is not None
    assert blueprint.tensors[0].stored_bytes == 40_000_000_000


def test_a_config_without_model_type_needs_headers(folder: Path) -> None:
    (folder / "config.json").write_text('{"hidden_size": 64}')
    assert "does not say its model_type" in load(str(folder)).notes[0]
    with pytest.raises(SourceError, match="does not say its model_type") as caught:
        load(str(folder / "config.json"))
    assert "--set model_type=" in str(caught.value.hint)
    assert load(str(folder / "config.json"), overrides={"model_type": "llama"}).config == {
        "hidden_size": 64,
        "model_type": "llama",
    }


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("[1]", "not an object"),
        ('{"model_type": "a", "model_type": "b"}', "gives 'model_type' twice"),
        ('{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_a_config_that_is_not_an_object_is_refused(folder: Path, text: str, fault: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(SourceError, match=fault) as caught:
        load(str(folder))
    assert caught.value.hint


def test_infinity_in_a_config_is_accepted(folder: Path) -> None:
    """transformers writes it: Mamba-2's time_step_limit is [0.0, Infinity]."""
    (folder / "config.json").write_text('{"model_type": "mamba2", "time_step_limit": [0.0, Infinity]}')
    config = load(str(folder)).config
    assert config is not None
    assert config["time_step_limit"] == [0.0, float("inf")]


def test_a_folder_without_a_model_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="it is empty"):
        load(str(tmp_path))
    (tmp_path / "training_args.bin").touch()
    (tmp_path / "logs").mkdir()
    with pytest.raises(
        SourceError, match=r"neither a config.json nor safetensors files; it holds logs/, training_"
    ):
        load(str(tmp_path))


def test_a_folder_of_pickles_is_known_by_their_names(tmp_path: Path) -> None:
    """Their content is never looked at: these would not even unpickle."""
    for name in ("pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin", "optimizer.pt"):
        (tmp_path / name).write_bytes(b"cos\nsystem\n")
    with pytest.raises(
        SourceError, match=r"its weights are pickles, .*: pytorch_model-0.*-00002.bin\.$"
    ) as caught:
        load(str(tmp_path))
    assert "config.json" in str(caught.value.hint)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    blueprint = load(str(tmp_path))
    assert (blueprint.config, blueprint.tensors) == ({"model_type": "llama"}, None)
    assert "It holds pickles" in blueprint.notes[0]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("pytorch_model.bin", "a pickle"),
        ("model.PT", "a pickle"),
        ("consolidated.00.pth", "a pickle"),
        ("pytorch_model.bin.index.json", "index of pickles"),
        ("model.Q4_K_M.gguf", "a GGUF file"),
        ("notes.txt", "not a kind of file"),
    ],
)
def test_other_files_are_refused_unopened(tmp_path: Path, name: str, fault: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"cos\nsystem\n(S'touch opened'\ntR.")
    path.chmod(0)
    with pytest.raises(SourceError, match=fault) as caught:
        load(str(path))
    assert caught.value.hint


def test_a_folder_that_may_not_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(SourceError, match="cannot be read: Permission denied"):
        load(str(tmp_path))


def test_a_device_or_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(SourceError, match="neither a file nor a folder"):
        load(str(tmp_path / "pipe.safetensors"))


def test_reading_a_folder_imports_neither_torch_nor_transformers(folder: Path) -> None:
    """Nor huggingface_hub's HTTP client: a local model costs nothing but its own bytes."""
    heavy = ["torch", "transformers", "pandas", "peft", "accelerate", "numpy", "rich", "httpx", "httpx2"]
    code = (
        "import sys; from anatomy.source import load; load(sys.argv[1]); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(folder)]
    shown = subprocess.run(command, cwd=PACKAGE_ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
