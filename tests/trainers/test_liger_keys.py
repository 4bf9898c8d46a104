"""Keys that switch Liger on: rehearsed where its package is, said where it is not."""

import pytest

from anatomy.api import read_config
from anatomy.trainers import training_arguments

FILES = {
    "transformers": "output_dir: out\nper_device_train_batch_size: 2\nuse_liger_kernel: true\n",
    "llamafactory": "model_name_or_path: x/y\nstage: sft\nfinetuning_type: lora\nenable_liger_kernel: true\n",
    "trl": "model_name_or_path: x/y\nmax_length: 128\nuse_peft: true\nuse_liger_kernel: true\n",
}
MADE = {
    "transformers": {"loss": "liger", "liger_kernels": True},
    "llamafactory": {"loss": "liger", "liger_kernels": True},
    "trl": {"liger_kernels": True},
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("here", [True, False])
def test_liger(kind, here, tmp_path, monkeypatch):
    monkeypatch.setattr(
        training_arguments, "installed", lambda names: dict.fromkeys(names, "0.8.5") if here else {}
    )
    file = tmp_path / "run.yaml"
    file.write_text(FILES[kind])
    reading = read_config(file, kind)
    made = {name: reading.given.get(name) for name in ("loss", "liger_kernels")}
    assert {name: value for name, value in made.items() if value is not None} == (MADE[kind] if here else {})
    assert any("liger_kernel" in said for said in reading.not_modelled) is not here


def test_a_part_of_liger_is_said_and_not_planned(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text(FILES["transformers"] + "liger_kernel_config: {rope: true}\n")
    reading = read_config(file, "transformers")
    assert "loss" not in reading.given
    assert any("liger_kernel" in said for said in reading.not_modelled)
