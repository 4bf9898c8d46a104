"""Workers that stand in for `api.profile`, to see what the runner makes of each kind of end. No torch."""

import os
import resource
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anatomy.errors import RecipeError
from anatomy.memory.timeline import Block, Category, Mark, Phase, Timeline
from anatomy.planning.plan import ModelName
from anatomy.profiling.measurement import Machine, Measurement, PhaseReading
from anatomy.profiling.record import Prediction, Record
from anatomy.training.recipe import Recipe


def small_record(size: int = 1000) -> Record:
    """A run of one block, predicted as it was."""
    timeline = Timeline(
        blocks=(Block(bytes=size, category=Category.WEIGHTS),),
        trace=(0,),
        marks=(Mark(at=0, phase=Phase.LOAD, step=0),),
    )
    measurement = Measurement(
        machine=Machine(kind="cpu", name="a processor", memory_bytes=10**9),
        model=ModelName(id="tiny", origin="made up", model_type="llama", architecture="Llama"),
        recipe=Recipe(method="full"),
        weights="random",
        phases=(PhaseReading(step=0, phase=Phase.LOAD, end_allocated_bytes=size, peak_allocated_bytes=size),),
        observed=timeline,
    )
    prediction = Prediction(
        timeline=timeline,
        context_bytes=0,
        total_parameters=size,
        trainable_parameters=size,
        model_flops=0,
        hardware_flops=0,
        versions={},
    )
    return Record(measurement=measurement, prediction=prediction)


def work(definition: Mapping[str, Any]) -> Record:
    """Note the call in the definition's journal, do what the definition says, then end as it says."""
    if journal := definition.get("journal"):
        with Path(journal).open("a") as file:
            forked = "from a poisoned server" if "poisoned_torch" in sys.modules else ""
            file.write(f"{definition['name']} {os.getpid()} {forked}\n")
    time.sleep(definition.get("seconds", 0.0))
    _ENDS[definition.get("end", "well")]()
    return small_record()


def _refuse() -> None:
    raise RecipeError("this model cannot run it.", hint="another")


def _break() -> None:
    raise ValueError("first line\nsecond line")


def _run_out() -> None:
    raise MemoryError("no room for 3 GiB")


def _segfault() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print("a library's last words", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _vanish() -> None:
    os._exit(3)


_ENDS = {
    "well": lambda: None,
    "refused": _refuse,
    "broken": _break,
    "out of memory": _run_out,
    "segfault": _segfault,
    "killed": _die,
    "vanished": _vanish,
}
