"""A Trainer with `use_liger_kernel=True` plans as the recipe does, by Liger's own code."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from families import make, tiny_recipe
from transformers import Trainer, TrainingArguments

from anatomy.integrations import MemoryCallback
from anatomy.memory.footprint import footprint
from anatomy.rehearsal.cuda import Target
from anatomy.rehearsal.kernels.kernel_packages import import_packages, patches_undone
from anatomy.rehearsal.rehearse import rehearse
from anatomy.training.inputs.batch import plan_batch

pytestmark = pytest.mark.skipif(
    find_spec("liger_kernel") is None or find_spec("triton") is not None,
    reason="liger-kernel is not installed, or would train",
)


def test_a_trainer_with_liger_plans_as_its_recipe(tmp_path: Path) -> None:
    recipe = tiny_recipe("llama", loss="liger", liger_kernels=True)
    import_packages(recipe, Target())
    model, memory = make("llama", "cpu"), MemoryCallback()
    rows = [{name: rows[0] for name, rows in plan_batch(model, recipe).make().items()}] * 4
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        use_cpu=True,
        max_steps=2,
        per_device_train_batch_size=recipe.batch_size,
        optim=recipe.optimizer,
        max_grad_norm=recipe.max_grad_norm,
        use_liger_kernel=True,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=rows, callbacks=[memory])
    with patches_undone(), pytest.raises(ModuleNotFoundError, match="triton"):  # the first real kernel
        trainer.train()
    assert memory.predicted is not None
    expected = footprint(rehearse(make("llama", "meta"), recipe, component_of=lambda _: "").timeline)
    assert (
        memory.predicted.metrics()["memory/predicted_peak_allocated_bytes"] == expected.peak_allocated_bytes
    )
