"""Every key of a trainer's documented schema has a fate, and the defaults are the trainers' own."""

import ast
import dataclasses
from importlib.util import find_spec
from pathlib import Path

import documented_keys as documented
import pytest

from anatomy.trainers.apply import Application
from anatomy.trainers.kinds import TRAINERS

SCHEMAS = {
    "transformers": documented.TRAINING_ARGUMENTS,
    "trl": documented.TRAINING_ARGUMENTS + documented.TRL,
    "llamafactory": documented.TRAINING_ARGUMENTS + documented.SEQ2SEQ + documented.LLAMAFACTORY,
    "axolotl": documented.AXOLOTL + documented.AXOLOTL_PLUGINS,
    "accelerate": documented.ACCELERATE,
}


def test_every_trainer_has_a_schema():
    assert SCHEMAS.keys() == TRAINERS.keys()


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_documented_key_has_a_fate(kind):
    assert [key for key in SCHEMAS[kind] if key not in TRAINERS[kind].known] == []


@pytest.mark.parametrize("kind", SCHEMAS)
def test_no_key_is_without_effect_and_has_one(kind):
    trainer = TRAINERS[kind]
    without = [key for keys in trainer.unimportant.values() for key in keys.split()]
    acting = {key for row in (*trainer.rules, *trainer.caveats) for key in row.keys}
    assert len(without) == len({*without})
    assert acting & {*without} == set()


def test_arguments_of_the_installed_transformers():
    """Read in the source: importing it imports torch."""
    origin = Path(find_spec("transformers").origin).parent / "training_args.py"
    classes = [node for node in ast.parse(origin.read_text()).body if isinstance(node, ast.ClassDef)]
    body = next(node.body for node in classes if node.name == "TrainingArguments")
    names = [node.target.id for node in body if isinstance(node, ast.AnnAssign)]
    assert len(names) > 100
    for kind in ("transformers", "trl", "llamafactory"):
        assert [name for name in names if name not in TRAINERS[kind].known] == []


def test_defaults_of_the_installed_transformers():
    from transformers import TrainingArguments

    fields = {f.name: f.default for f in dataclasses.fields(TrainingArguments)}
    trainer = TRAINERS["transformers"]
    for key, value in trainer.defaults.items():
        assert (fields[key] or False) == value, key


def test_untouched_arguments_ask_for_nothing_special(tmp_path):
    """A dump of all arguments, as `to_dict` gives them: nothing is not modelled only because it is there."""
    from transformers import TrainingArguments

    data = TrainingArguments(output_dir=str(tmp_path)).to_dict()
    keys = Application(TRAINERS["transformers"], data).reading("dump").keys
    assert {key.fate for key in keys} == {"used", "ignored"}


PUBLISHED = {
    "axolotl": {
        "batch_size": 1,
        "seq_len": 512,
        "gradient_checkpointing": "off",
        "optimizer": "adamw_torch_fused",
        "precision": "bf16-mixed",
    },
    "llamafactory": {
        "method": "lora",
        "r": 8,
        "alpha": 16,
        "dropout": 0.0,
        "target_modules": "all-linear",
        "batch_size": 8,
        "seq_len": 2048,
        "gradient_checkpointing": "reentrant",
    },
    "trl": {
        "batch_size": 8,
        "seq_len": 1024,
        "gradient_checkpointing": "non-reentrant",
        "precision": "bf16-mixed",
    },
    "transformers": {"batch_size": 8, "grad_accum": 1, "gradient_checkpointing": "off", "max_grad_norm": 1.0},
}
"""Defaults by the packages' own schemas, as settings of a recipe."""


@pytest.mark.parametrize("kind", PUBLISHED)
def test_a_trainers_own_defaults_apply_and_are_listed(kind):
    reading = Application(TRAINERS[kind], {"output_dir": "out"}).reading("file")
    said = {name: value for key in reading.of("default") for name, value in key.settings.items()}
    for name, value in PUBLISHED[kind].items():
        assert getattr(reading.recipe, name) == value
        assert said[name] == value
        assert name not in reading.given
