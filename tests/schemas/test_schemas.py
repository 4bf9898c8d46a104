"""The published JSON Schemas: every kind of answer is as its schema says, and what is not is found."""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from made_cells import made_validation
from made_records import SMALLER, failed_record, make_record
from made_reports import tiny_report

import anatomy
from anatomy import api
from anatomy.documents.catalogs import gpus_document, models_document
from anatomy.documents.plan.modules import with_modules
from anatomy.documents.plan.run import plan_document
from anatomy.planning.optimizer_costs import Cost, OptimizerRow, OptimizerTable
from anatomy.schemas import NAMES, published
from anatomy.schemas.build import SCHEMAS
from anatomy.training.optimizers.kinds import kind_of

AXOLOTL = "base_model: MODEL\nadapter: lora\nlora_r: 4\nsequence_len: 16\noptimizer: sgd\nwandb_project: x\nxyz: 1\n"


def cost(**changes: int | None) -> Cost:
    given: dict[str, Any] = {"parameters": 8, "largest_parameter": 4, "state_bytes": 64, "step_bytes": 8}
    return Cost(**{**given, "gradient_bytes": 16, **changes})


def made_optimizers() -> OptimizerTable:
    adamw, adafactor, lomo = map(kind_of, ("adamw_torch", "adafactor", "lomo"))
    rows = (
        OptimizerRow(
            name="adamw_torch", kind=adamw, costs={"bf16": cost(), "fp32": cost()}, one_at_a_time=False
        ),
        OptimizerRow(name="adafactor", kind=adafactor, costs={"bf16": cost(step_bytes=None)}),
        OptimizerRow(name="lomo", kind=lomo, costs={}, missing="it needs lomo-optim"),
    )
    return OptimizerTable(model="a block", rows=rows, versions={"torch": "0.0"})


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> dict[str, list[dict[str, Any]]]:
    """Schema -> real answers and made ones, as they are printed."""
    folder = tmp_path_factory.mktemp("answers")
    from tiny_models import TINY_LLAMA

    model, config = folder / "model", folder / "axolotl.yml"
    model.mkdir()
    (model / "config.json").write_text(json.dumps(TINY_LLAMA))
    (model / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 128, "eos_token": "</s>"}))
    other = str(folder / "other.json")
    Path(other).write_text(json.dumps(TINY_LLAMA | {"num_hidden_layers": 1, "rope_theta": 5.0}))
    config.write_text(AXOLOTL.replace("MODEL", str(model)))
    name = str(model)
    plan = anatomy.plan(config=config, gpu="T4", overrides={"num_hidden_layers": 1})
    compared = anatomy.compare(
        name,
        methods=("lora",),
        optimizers=("sgd", "adamw_torch_xla"),
        precisions=("bf16",),
        seq_len=16,
    )
    runs = [make_record("cpu"), make_record("cuda"), failed_record(SMALLER)]
    found = {
        "show": [
            anatomy.show(name, overrides={"num_hidden_layers": 1}),
            anatomy.examine(name, formats=True, sort="name", kv_cache=True, tokenizer=True, add_tokens=3),
        ],
        "diff": [anatomy.diff(name, other)],
        "plan": [plan, with_modules(plan_document(plan), plan)],
        "compare": [compared],
        "profile": runs,
        "validate": [made_validation()],
        "report": [tiny_report(), *map(anatomy.report, (plan, compared, made_validation(), *runs))],
        "models": [models_document(api.models())],
        "optimizers": [made_optimizers()],
        "gpus": [gpus_document(api.gpus())],
        "env": [anatomy.env()],
    }
    return {name: [json.loads(json.dumps(r.to_dict())) for r in results] for name, results in found.items()}


def errors(name: str, answer: Any) -> list[str]:
    return [
        f"{error.json_path}: {error.message}"
        for error in Draft202012Validator(published(name)).iter_errors(answer)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_the_files_are_what_the_types_make(name):
    """`python -m anatomy.schemas` writes them anew."""
    assert published(name) == SCHEMAS[name](), "run python -m anatomy.schemas"


@pytest.mark.parametrize("name", NAMES)
def test_they_are_schemas(name):
    schema = published(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:anatomy:schema:{name}:1"
    assert "#/$defs" not in json.dumps(schema) or schema["$defs"]


def test_every_answer_has_one(answers):
    assert [*SCHEMAS] == [*NAMES]
    assert answers.keys() == {*NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_as_they_say(name, answers):
    for answer in answers[name]:
        assert errors(name, answer) == []
        assert answer["schema_version"] == 1


@pytest.mark.parametrize("name", NAMES)
def test_keys_may_neither_be_missing_nor_unknown(name, answers):
    for answer in map(shortened, answers[name]):
        for key in answer:
            if name == "show" and key in ("formats", "entries", "tokenizer", "kv_cache"):
                continue
            if name == "plan" and key == "modules":
                continue
            assert errors(name, {k: v for k, v in answer.items() if k != key}), key
        assert errors(name, {**answer, "peek": 1})


ANYBODYS = frozenset(
    {
        "overrides",
        "said",
        "settings",
        "peft",
        "value",
        "config",
        "varied",
        "change",
        "profile",
        "recipe_by_method",
    }
)
"""Keys under which stand values of the user's, of any kind; `config` is the axolotl file's or a cell's."""


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every number and truth value, the first of each list, with its path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in ANYBODYS:
                yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value[:1]):
            yield from leaves(inner, (*path, index))
    elif isinstance(value, int | float):
        yield path, value


def with_another(answer: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(answer)
    at = changed
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return changed


@pytest.mark.parametrize(
    "name", ["show", "diff", "plan", "compare", "profile", "validate", "optimizers", "gpus"]
)
def test_a_number_that_is_none_is_found(name, answers):
    """Each number and truth value of an answer in turn, written as text."""
    validator = Draft202012Validator(published(name))
    answer = shortened(answers[name][-1])
    assert validator.is_valid(answer)
    checked = [
        leaf for leaf in leaves(answer) if name != "diff" or leaf[0][0] != "facts"
    ]  # facts are of any kind
    assert len(checked) > 3
    missed = [path for path, value in checked if validator.is_valid(with_another(answer, path, str(value)))]
    assert missed == []


def shortened(value: Any) -> Any:
    """The same with one entry of each list."""
    if isinstance(value, dict):
        return {key: shortened(inner) for key, inner in value.items()}
    if isinstance(value, list):
        longest = 2 if len(value) == 2 and all(isinstance(inner, int) for inner in value) else 1
        return [shortened(inner) for inner in value[:longest]]
    return value


def test_units_are_said():
    """Every key that ends in _bytes says that it is bytes."""
    for name in NAMES:
        for key, schema in keys_of(published(name)):
            if key.endswith("_bytes") and "$ref" not in schema:
                assert "bytes" in json.dumps(schema).lower(), (name, key)


def keys_of(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).items()
        for inner in schema.values():
            yield from keys_of(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from keys_of(inner)


def test_the_command_prints_them_and_imports_nothing():
    script = (
        "import sys; from anatomy.cli import main\ntry: main(['schema', 'plan'])\nexcept SystemExit: pass\n"
        "sys.stderr.write(' '.join(m for m in ('torch', 'transformers', 'rich', 'pandas', 'inspect') if m in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout) == published("plan")
    assert "torch" not in done.stderr
    assert "rich" not in done.stderr
    with pytest.raises(anatomy.AnatomyError, match="no schema 'plann'"):
        anatomy.schema("plann")


def _described(schema: Any) -> Iterator[str]:
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    if isinstance(schema, dict) and isinstance(schema.get("description"), str):
        yield schema["description"]
    for part in inner:
        yield from _described(part)


@pytest.mark.parametrize("name", NAMES)
def test_no_description_says_a_thing_twice(name: str) -> None:
    for said in _described(published(name)):
        begins = [re.split(r"[;,.] ?", sentence)[0] for sentence in re.split(r"(?<=\.) ", said)]
        assert len(begins) == len(set(begins)), said
