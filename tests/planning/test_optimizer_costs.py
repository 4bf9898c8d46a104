"""Costs are read off a run's blocks; books are quoted for every name, and differences have a reason."""

import pytest
import torch
from families import make, tiny_recipe

from anatomy.memory.timeline import Block, Category, Mark, Phase, Timeline
from anatomy.planning.optimizer_costs import Cost, cost_of
from anatomy.planning.textbook import PUBLISHED, TEXTBOOK
from anatomy.rehearsal.rehearse import rehearse
from anatomy.training.inputs.batch import plan_batch
from anatomy.training.optimizers.build import build_optimizer
from anatomy.training.optimizers.kinds import OPTIMIZERS
from anatomy.training.step import prepare, step


def timeline() -> Timeline:
    """Weights of 100 B; each step gradients of 50 B, temporaries of 30 B and of 70 B; states of 80 B from the first."""
    sizes = {
        "w": (100, Category.WEIGHTS),
        "g": (50, Category.GRADIENTS),
        "s": (80, Category.OPTIMIZER),
        "t": (30, Category.TEMPORARIES),
        "u": (70, Category.TEMPORARIES),
    }
    names = ["w", "g", "s", "t", "g", "u"]
    blocks = tuple(Block(bytes=sizes[n][0], category=sizes[n][1]) for n in names)
    trace = (0, 1, 2, 3, ~3, ~1, 4, 5, ~5, ~4)
    phases = [(0, Phase.LOAD, 0), (1, Phase.BACKWARD, 1), (2, Phase.OPTIMIZER, 1), (5, Phase.ZERO_GRAD, 1)]
    phases += [(6, Phase.BACKWARD, 2), (7, Phase.OPTIMIZER, 2), (9, Phase.ZERO_GRAD, 2)]
    marks = tuple(Mark(at=at, phase=phase, step=step) for at, phase, step in phases)
    return Timeline(blocks=blocks, trace=trace, marks=marks, environment={})


def cost(*, in_backward: bool = False) -> Cost:
    return cost_of(timeline(), parameters=10, largest_parameter=5, in_backward=in_backward, host_bytes=7)


def test_states_are_what_stays_and_the_step_what_comes_and_goes():
    found = cost()
    assert (found.state_bytes, found.step_bytes, found.gradient_bytes) == (80, 70, 50)
    assert found.per_parameter(found.state_bytes) == 8.0


def test_in_backward_the_step_is_not_apart():
    assert cost(in_backward=True).step_bytes is None


def test_a_book_is_quoted_for_every_name():
    assert TEXTBOOK.keys() == OPTIMIZERS.keys()
    assert all(book.source for book in TEXTBOOK.values())


def test_published_savings_are_those_of_the_page():
    """torchao's README: 51.6 with fused AdamW, 39.3 and 39.1 with 8 bits, 33.2 with 4."""
    assert [pair.saved_gib for pair in PUBLISHED] == [12.3, 12.5, 18.4]
    assert {pair.less for pair in PUBLISHED} <= OPTIMIZERS.keys()


def real_states(name: str, precision: str) -> tuple[int, int]:
    """Bytes of states that two real steps on the CPU leave, and how many parameters were trained.

    Counters of steps are left out: they wait on the host.
    """
    torch.manual_seed(0)
    recipe = tiny_recipe("llama", optimizer=name, precision=precision)
    model = make("llama", "cpu").to(getattr(torch, recipe.weight_dtype))
    batch = plan_batch(model, recipe)
    run = prepare(model, build_optimizer(model, recipe), recipe, batch.make, "cpu")
    for _ in range(2):
        step(run, lambda phase: None)
    states = {
        id(t): t for state in run.optimizer.state.values() for t in state.values() if torch.is_tensor(t)
    }
    held = sum(t.untyped_storage().nbytes() for t in states.values() if t.dim())
    return held, sum(p.numel() for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", ["adamw_torch", "sgd", "adagrad", "rmsprop"])
def test_states_are_those_of_a_real_run(name: str, precision: str) -> None:
    recipe = tiny_recipe("llama", optimizer=name, precision=precision)
    model = make("llama", "meta").to(getattr(torch, recipe.weight_dtype))
    found = rehearse(model, recipe, component_of=lambda path: "")
    predicted = cost_of(
        found.timeline,
        parameters=found.trainable_parameters,
        largest_parameter=1,
        in_backward=False,
        host_bytes=0,
    )
    assert (predicted.state_bytes, predicted.parameters) == real_states(name, precision)


@pytest.mark.parametrize("name", ["adamw_torch", "sgd", "rmsprop", "adagrad"])
def test_the_books_figure_is_that_of_a_real_run(name: str) -> None:
    held, parameters = real_states(name, "fp32")
    assert held == TEXTBOOK[name].said * parameters


def test_eight_bits_are_two_bytes_and_their_scales() -> None:
    """bitsandbytes' own optimizer over a weight that is large enough: a byte a state, fp32 for each 256 of them."""
    optim = pytest.importorskip("bitsandbytes").optim
    weight = torch.nn.Parameter(torch.randn(256, 256))
    optimizer = optim.AdamW8bit([weight])
    weight.grad = torch.randn_like(weight)
    optimizer.step()
    state = optimizer.state[weight]
    per_state = {name: state[f"state{name}"].nbytes / weight.numel() for name in (1, 2)}
    scales = {name: state[f"absmax{name}"].nbytes / weight.numel() for name in (1, 2)}
    assert sum(per_state.values()) == TEXTBOOK["adamw_8bit"].said
    assert sum(scales.values()) == 2 * 4 / 256
