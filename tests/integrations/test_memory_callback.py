"""MemoryCallback in real Trainer runs on the CPU."""

import logging
import random
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
import transformers
from families import make, tiny_recipe
from live_runs import STEPS, live_model, rows_of
from transformers import TrainerCallback

from anatomy.integrations import MemoryCallback
from anatomy.memory.timeline import Category, Phase

PREDICTED = {f"memory/predicted_{name}_bytes" for name in ("peak_allocated", "peak_reserved", "device")}
TIMES = ("train_runtime", "train_samples_per_second", "train_steps_per_second")


def entries(trainer: Any, *, ours: bool) -> list[dict[str, Any]]:
    """The log history: our metrics, or the Trainer's own without what depends on the clock."""
    history = [entry for entry in trainer.state.log_history if _is_ours(entry) == ours]
    return [{name: value for name, value in entry.items() if name not in TIMES} for entry in history]


def _is_ours(entry: dict[str, Any]) -> bool:
    return any(name.startswith("memory/") for name in entry)


def names(entry: dict[str, Any]) -> set[str]:
    return entry.keys() - {"epoch", "step"}


def test_plan_and_measurement_are_in_the_log_history(make_trainer: Callable[..., Any]) -> None:
    memory = MemoryCallback()
    trainer = make_trainer(tiny_recipe("llama"), [memory])
    trainer.train()
    plan, early, final = entries(trainer, ours=True)
    assert (plan["step"], early["step"], final["step"]) == (0, 2, STEPS)
    assert names(plan) == PREDICTED
    assert plan["memory/predicted_peak_allocated_bytes"] == memory.predicted.peak_allocated_bytes
    assert plan["memory/predicted_device_bytes"] > plan["memory/predicted_peak_reserved_bytes"]
    assert names(early) == names(final) == {"memory/measured_peak_rss_growth_bytes"}
    assert final["memory/measured_peak_rss_growth_bytes"] >= early["memory/measured_peak_rss_growth_bytes"]
    assert memory.difference is None, "host memory and a GPU's do not subtract"
    assert "another quantity" in str(memory)
    assert memory.predicted.peak_words in str(memory)


def test_metrics_reach_loggers_as_numbers(make_trainer: Callable[..., Any]) -> None:
    seen: dict[str, Any] = {}

    class Logger(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            seen.update(logs)

    make_trainer(tiny_recipe("llama"), [Logger(), MemoryCallback()]).train()
    assert set(seen) > PREDICTED
    assert all(isinstance(value, (int, float)) for value in seen.values())


class _Noise:
    """A collator that draws from every source of chance, one of its own among them."""

    def __init__(self) -> None:
        self.own = torch.Generator().manual_seed(3)

    def __call__(self, rows: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        batch = {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
        draws = (random.random(), numpy.random.rand(), torch.rand(()), torch.rand((), generator=self.own))
        shift = sum(int(10 * draw) for draw in draws)
        return batch | {"input_ids": (batch["input_ids"] + shift) % 500}


def _with_dropout() -> Any:
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=512, n_embd=64, n_layer=2, n_head=4, n_positions=128, bos_token_id=1, eos_token_id=2
    )
    return transformers.GPT2LMHeadModel(config)


@pytest.mark.parametrize("precision", ["fp32", "bf16-mixed"])
def test_training_stays_what_it_is_to_the_bit(make_trainer: Callable[..., Any], precision: str) -> None:
    recipe = tiny_recipe("gpt2", precision=precision, grad_accum=2, gradient_checkpointing="non-reentrant")

    def run(callbacks: list[Any]) -> tuple[Any, ...]:
        model = _with_dropout()
        trainer = make_trainer(
            recipe,
            callbacks,
            model=model,
            rows=rows_of(model, recipe, 20),
            trainer={"data_collator": _Noise()},
        )
        trainer.train()
        chance = (random.random(), numpy.random.rand(), torch.rand(()).item())
        return (
            entries(trainer, ours=False),
            [p.detach().clone() for p in model.parameters()],
            trainer.data_collator.own.get_state().tolist(),
            chance,
        )

    memory = MemoryCallback()
    watched, bare = run([memory]), run([])
    assert memory.predicted is not None
    assert len({entry["loss"] for entry in bare[0] if "loss" in entry}) == STEPS
    assert watched[0] == bare[0]
    assert all(torch.equal(a, b) for a, b in zip(watched[1], bare[1], strict=True))
    assert watched[2:] == bare[2:]


def test_tied_embeddings_count_once(make_trainer: Callable[..., Any]) -> None:
    memory = MemoryCallback()
    model = make("gpt2", "cpu")
    make_trainer(tiny_recipe("gpt2"), [memory], model=model).train()
    once = sum(p.numel() for p in model.parameters())
    assert memory.predicted.total_parameters == memory.predicted.trainable_parameters == once
    assert memory.predicted.footprint.by_category[Category.WEIGHTS] == pytest.approx(4 * once, abs=512 * 40)


def test_frozen_weights_get_no_gradient(make_trainer: Callable[..., Any]) -> None:
    memory = MemoryCallback()
    model = make("llama", "cpu")
    model.model.embed_tokens.requires_grad_(False)
    make_trainer(tiny_recipe("llama"), [memory], model=model).train()
    frozen = model.model.embed_tokens.weight.numel()
    assert memory.predicted.total_parameters - memory.predicted.trainable_parameters == frozen


def test_longest_rows_are_planned_with(make_trainer: Callable[..., Any]) -> None:
    recipe = tiny_recipe("llama")
    model = live_model(recipe)
    rows = rows_of(model, recipe, 12)
    short = [{name: tensor[:8] for name, tensor in row.items()} for row in rows[:10]]
    memory = MemoryCallback()
    trainer = make_trainer(
        recipe,
        [memory],
        model=model,
        rows=short[:5] + rows[10:] + short[5:],
        trainer={"data_collator": _Padding()},
    )
    trainer.train()
    assert "among all 12 rows: input_ids 2×32" in " ".join(memory.predicted.assumptions)


class _Padding:
    def __call__(self, rows: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        return {
            name: torch.nn.utils.rnn.pad_sequence([row[name] for row in rows], batch_first=True)
            for name in rows[0]
        }


class _Stream(torch.utils.data.IterableDataset):  # type: ignore[type-arg]
    def __init__(self, rows: list[Any]) -> None:
        self.rows = iter(rows)

    def __iter__(self) -> Any:
        return self.rows


def test_a_stream_is_not_looked_into(
    make_trainer: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    recipe = tiny_recipe("llama")
    model = live_model(recipe)
    rows = rows_of(model, recipe, STEPS * recipe.batch_size)
    memory = MemoryCallback()
    trainer = make_trainer(recipe, [memory], model=model, rows=_Stream(rows))
    trainer.train()
    assert memory.predicted is None
    assert trainer.state.global_step == STEPS, "no row is missing"
    assert warnings_of(caplog) == ["no memory plan: the dataset is a stream: rows taken to plan with would be "
                                   "missing in the training; pass an example batch, MemoryCallback(batch=...)."]  # fmt: skip
    assert names(entries(trainer, ours=True)[-1]) == {"memory/measured_peak_rss_growth_bytes"}


def test_a_stream_is_planned_with_a_given_batch(make_trainer: Callable[..., Any]) -> None:
    recipe = tiny_recipe("llama")
    model = live_model(recipe)
    rows = rows_of(model, recipe, STEPS * recipe.batch_size)
    batch = {name: torch.stack([row[name] for row in rows[:2]]) for name in rows[0]}
    given, found = MemoryCallback(batch=batch), MemoryCallback()
    make_trainer(recipe, [given], model=model, rows=_Stream(rows)).train()
    make_trainer(recipe, [found]).train()
    assert given.predicted.peak_allocated_bytes == found.predicted.peak_allocated_bytes


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    ours = [record for record in caplog.records if record.name.startswith("anatomy")]
    return [record.getMessage() for record in ours if record.levelno >= logging.WARNING]


class _Uncopyable:
    """Reads like a list and cannot be collated from: every use of it for planning fails."""

    def __init__(self, rows: list[Any]) -> None:
        self.rows, self.planning = rows, True

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Any:
        if self.planning:
            raise OSError("the disk is gone")
        return self.rows[index]


def test_a_failure_is_one_warning_and_nothing_else(
    make_trainer: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    recipe = tiny_recipe("llama")
    model = live_model(recipe)
    data = _Uncopyable(rows_of(model, recipe, 12))

    class Later(TrainerCallback):
        def on_epoch_begin(self, *args: Any, **kwargs: Any) -> None:
            data.planning = False

    trainer = make_trainer(recipe, [MemoryCallback(), Later()], model=model, rows=data)
    trainer.train()
    assert trainer.state.global_step == STEPS
    assert warnings_of(caplog) == ["no memory plan: OSError: the disk is gone"]


def test_an_unknown_gpu_is_a_warning_too(
    make_trainer: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    make_trainer(tiny_recipe("llama"), [MemoryCallback(gpu="Voodoo 2")]).train()
    assert warnings_of(caplog) == ["no memory plan: 'Voodoo 2' is not a GPU of the catalog."]


def test_a_named_gpu_is_rehearsed(make_trainer: Callable[..., Any]) -> None:
    hopper = MemoryCallback(gpu="H100 NVL")
    make_trainer(tiny_recipe("llama"), [hopper]).train()
    assert hopper.predicted.device == "H100 NVL"
    # cuBLAS takes 32 MiB a handle there (33,554,432 B; see anatomy.rehearsal.kernels.cublas), two handles.
    assert hopper.predicted.footprint.by_category[Category.WORKSPACES] >= 2 * 32 * 2**20


@pytest.mark.slow
def test_a_resumed_run_has_its_optimizer_states_from_the_start(
    make_trainer: Callable[..., Any], tmp_path: Any
) -> None:
    recipe = tiny_recipe("llama")
    make_trainer(recipe, [], save_strategy="steps", save_steps=1, max_steps=1).train()
    memory = MemoryCallback()
    trainer = make_trainer(recipe, [memory])
    trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))
    plan, early = entries(trainer, ours=True)
    assert (plan["step"], early["step"]) == (1, STEPS)
    fresh = MemoryCallback()
    make_trainer(recipe, [fresh]).train()
    resumed, begun = memory.predicted.footprint, fresh.predicted.footprint
    states = begun.by_category[Category.OPTIMIZER]
    assert resumed.resting[Phase.LOAD] - begun.resting[Phase.LOAD] == states
    assert resumed.peak_allocated_bytes == pytest.approx(begun.peak_allocated_bytes, abs=4096)
