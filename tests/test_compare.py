"""Many runs compared: each number is the one that a plan of that run alone gives."""

from typing import Any, get_args

import pytest

from anatomy import api
from anatomy.errors import ArchitectureError, RecipeError
from anatomy.planning.compare import Comparison, Row
from anatomy.planning.plan import Plan
from anatomy.rehearsal import apart
from anatomy.rehearsal.rehearse import Rehearsing
from anatomy.training.choices import Precision

ALL_OPTIMIZERS = (
    "adamw_torch", "adamw_torch_fused", "adafactor", "adamw_anyprecision", "sgd", "adagrad", "rmsprop", "adamw_8bit",
    "ademamix_8bit", "lion_32bit", "paged_adamw_8bit", "paged_lion_32bit",
)  # fmt: skip


class Counts:
    """Rehearsals that really happen, counted where they happen."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps = self.optimizers = 0
        run, alone = Rehearsing.run, apart.RunApart.rehearse_optimizer

        def counted_run(self_: Rehearsing, steps: int) -> None:
            self.steps += 1
            run(self_, steps)

        def counted_optimizer(self_: apart.RunApart, recipe: Any) -> Any:
            self.optimizers += 1
            return alone(self_, recipe)

        monkeypatch.setattr(Rehearsing, "run", counted_run)
        monkeypatch.setattr(apart.RunApart, "rehearse_optimizer", counted_optimizer)


@pytest.fixture
def counts(monkeypatch):
    return Counts(monkeypatch)


def assert_same(row: Row, plan: Plan) -> None:
    """Every integer that both have."""
    found = row.footprint
    assert found == plan.footprint, row.label  # peaks, instants, parts, levels of every phase, steps
    assert row.device_bytes == plan.device_bytes
    assert row.fit == plan.smallest_fit
    assert row.total_parameters == plan.total_parameters
    assert row.trainable_parameters == plan.trainable_parameters
    assert row.recipe == plan.recipe


def compare_with_plans(found: Comparison, reference: str, **options: Any) -> None:
    for row in found.rows:
        assert_same(row, api.plan(reference, **row.varied, **options))


def test_every_row_is_its_own_plan(tiny_llama, counts):
    found = api.compare(
        str(tiny_llama),
        methods=("full", "qlora"),
        optimizers=("adamw_torch", "adafactor", "adamw_8bit", "paged_adamw_8bit"),
        precisions=("bf16", "fp16-mixed"),
        seq_len=64,
        overrides={"num_hidden_layers": 1},
    )
    assert (counts.steps, counts.optimizers) == (4, 16)
    assert (found.rehearsals.runs, found.rehearsals.optimizers, found.rehearsals.whole) == (4, 16, 0)
    assert len(found.rows) == 16
    compare_with_plans(found, str(tiny_llama), seq_len=64, overrides={"num_hidden_layers": 1})


@pytest.mark.slow
def test_three_methods_twelve_optimizers_and_four_precisions(tiny_llama, counts):
    precisions = ("fp32", "bf16", "bf16-mixed", "fp16-mixed")
    found = api.compare(
        str(tiny_llama),
        methods=("full", "lora", "qlora"),
        optimizers=ALL_OPTIMIZERS,
        precisions=precisions,
        seq_len=64,
    )
    # Sets of parameters: full in fp32 (with and without a scaler) and bf16; adapters in fp32, with one and without.
    assert (counts.steps, counts.optimizers) == (12, 12 * 5)
    assert (found.rehearsals.runs, found.rehearsals.optimizers, found.rehearsals.whole) == (12, 60, 0)
    assert len(found.rows) == len(found.ran) == 144
    compare_with_plans(found, str(tiny_llama), seq_len=64)


@pytest.mark.slow
def test_every_precision_with_every_kind_of_optimizer(tiny_llama):
    """Whatever precisions there are: one that changed what an optimizer is would have to be a set of its own."""
    found = api.compare(
        str(tiny_llama),
        methods=("full", "lora"),
        optimizers=("adamw_torch_fused", "adafactor", "paged_adamw_8bit"),
        precisions=get_args(Precision),
        checkpointing=("on", "off"),
        seq_len=64,
        max_grad_norm=0.0,
    )
    assert found.rehearsals.whole == 0
    compare_with_plans(found, str(tiny_llama), seq_len=64, max_grad_norm=0.0)


def test_the_smallest_peak_comes_first(tiny_llama):
    found = api.compare(
        str(tiny_llama), methods=("full", "lora"), optimizers=("adamw_torch", "sgd"), seq_len=64
    )
    peaks = [row.footprint.peak_allocated_bytes for row in found.rows]
    assert peaks == sorted(peaks)
    assert len(peaks) == 2 * 2 * 2


def test_what_cannot_be_run_is_a_row_with_its_reason(tiny_llama):
    found = api.compare(
        str(tiny_llama),
        methods=("full",),
        optimizers=("adamw_torch_xla", "sgd"),
        precisions=("bf16", "fp32"),
        seq_len=64,
        attn="flash_attention_2",
    )
    told = {(row.varied["precision"], row.varied["optimizer"]): row.reason for row in found.rows}
    assert len(found.rows) == 4
    assert told["bf16", "sgd"] == ""
    assert "XLA" in told["bf16", "adamw_torch_xla"]
    assert all(
        "flash_attention_2 does not run in fp32" in told["fp32", name] for name in found.axes.optimizers
    )
    assert [row.reason == "" for row in found.rows] == [True, False, False, False]  # what ran comes first


def test_where_no_run_is_possible_that_is_an_error(tiny_llama):
    with pytest.raises(RecipeError, match="optim_args"):
        api.compare(str(tiny_llama), methods=("full",), optimizers=("sgd",), optim_args="rank=4")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"optimizers": ("adam",)}, "not an optimizer"),
        ({"methods": ("lorra",)}, "lorra"),
        ({"methods": ("full",), "r": 4}, "means nothing"),
        ({"gpu": "Voodoo 2"}, "Voodoo 2"),
    ],
)
def test_nonsense_is_refused_before_anything_is_rehearsed(settings, words, tiny_llama, counts):
    with pytest.raises(RecipeError, match=words):
        api.compare(str(tiny_llama), **settings)
    assert counts.steps == 0


def test_a_model_that_cannot_be_built_is_an_error_and_no_row(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "no_such_type"}')
    with pytest.raises(ArchitectureError):
        api.compare(str(tmp_path))


def test_an_optimizer_that_steps_in_backward_is_rehearsed_whole(tiny_llama, counts):
    settings: dict[str, Any] = {"optimizer_in_backward": True, "max_grad_norm": 0.0, "seq_len": 64}
    found = api.compare(
        str(tiny_llama),
        methods=("full",),
        optimizers=("adamw_torch", "sgd"),
        precisions=("bf16",),
        **settings,
    )
    assert (counts.steps, counts.optimizers) == (2, 0)
    assert (found.rehearsals.runs, found.rehearsals.whole) == (0, 2)
    compare_with_plans(found, str(tiny_llama), **settings)


def test_an_inseparable_optimizer_is_rehearsed_whole_and_is_right(tiny_llama, counts, monkeypatch):
    def never(self: apart.RunApart, record: Any) -> Any:
        raise apart.InseparableError("for the sake of the test")

    monkeypatch.setattr(apart.RunApart, "with_optimizer", never)
    found = api.compare(
        str(tiny_llama), methods=("lora",), optimizers=("adafactor",), precisions=("bf16",), seq_len=64
    )
    assert (found.rehearsals.runs, found.rehearsals.whole, counts.steps) == (1, 1, 2)
    compare_with_plans(found, str(tiny_llama), seq_len=64)


def test_on_one_gpu_each_row_has_its_fit_there(tiny_llama):
    found = api.compare(
        str(tiny_llama),
        methods=("full",),
        optimizers=("sgd",),
        precisions=("bf16",),
        gpu="H100 80GB SXM",
        seq_len=64,
    )
    (row,) = found.rows
    plan = api.plan(str(tiny_llama), gpu="H100 80GB SXM", seq_len=64, **row.varied)
    assert (row.fit,) == plan.fits
    assert (found.gpu, found.device, row.device_bytes) == ("H100 80GB SXM", plan.device, plan.device_bytes)


def test_the_code_of_a_quantized_base_and_checkpointing_are_compared_where_asked_for(tiny_llama):
    found = api.compare(
        str(tiny_llama),
        methods=("lora", "qlora"),
        optimizers=("sgd",),
        precisions=("bf16",),
        quant_types=("nf4", "int8"),
        checkpointing=("on", "off"),
        seq_len=64,
    )
    assert len(found.rows) == 2 + 2 * 2
    compare_with_plans(found, str(tiny_llama), seq_len=64)


def test_the_frame_has_every_row_with_its_integers(tiny_llama):
    found = api.compare(
        str(tiny_llama), methods=("full",), optimizers=("sgd", "lomo"), precisions=("bf16",), seq_len=64
    )
    table = found.to_frame()
    assert str(table["allocated_bytes"].dtype) == "Int64"
    parts = table.filter(
        regex="^(weights|quantization_state|adapters|buffers|gradients|optimizer_states|activations|"
        "logits_and_loss|temporaries|workspaces)_bytes$"
    )
    assert parts.shape[1] == 10
    assert (parts.sum(axis=1) == table["allocated_bytes"].fillna(0)).all()
    plain = table.astype(object).where(table.notna(), None)
    assert [dict(row) for row in plain.to_dict("records")] == found.to_records()
