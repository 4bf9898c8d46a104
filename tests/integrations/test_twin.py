"""The twin of a live model: everything but the data, and nothing of the original."""

import copy
import functools
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from families import make, tiny_recipe
from live_runs import live_model
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from anatomy.errors import RehearsalError
from anatomy.integrations.twin import make_twin
from anatomy.training.methods import apply_method
from anatomy.training.optimizers.build import build_optimizer
from anatomy.training.quantized import base as quantization


def sgd(model: Any) -> Any:
    return torch.optim.SGD((p for p in model.parameters() if p.requires_grad), lr=0.1)


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("family", ["llama", "gpt2", "t5", "mamba"])
def test_all_but_the_data(family: str, method: str) -> None:
    model = live_model(tiny_recipe(family, method=method), family)
    twin = make_twin(model, sgd(model)).model
    assert [(path, type(module)) for path, module in twin.named_modules()] == [
        (path, type(module)) for path, module in model.named_modules()
    ]
    pairs = zip(
        [*model.named_parameters(remove_duplicate=False), *model.named_buffers()],
        [*twin.named_parameters(remove_duplicate=False), *twin.named_buffers()],
        strict=True,
    )
    ties: dict[int, set[int]] = {}
    for (name, old), (twin_name, new) in pairs:
        assert name == twin_name
        assert new.device.type == "meta"
        assert (type(new), new.dtype, new.shape, new.stride()) == (
            type(old), old.dtype, old.shape, old.stride(),
        )  # fmt: skip
        assert new.requires_grad == old.requires_grad
        assert new.untyped_storage().nbytes() == old.untyped_storage().nbytes()
        ties.setdefault(old.untyped_storage()._cdata, set()).add(new.untyped_storage()._cdata)
    assert all(len(twins) == 1 for twins in ties.values())
    assert len(ties) == len({new for twins in ties.values() for new in twins})


class _NoCopies(TorchDispatchMode):
    """Refuses every operator that makes or writes more than a few bytes of real memory."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else [out]:
            if isinstance(tensor, torch.Tensor) and tensor.device.type != "meta":
                size = tensor.numel() * tensor.element_size()
                assert size <= 8 or "detach" in str(func), f"{func} makes {tuple(tensor.shape)}"
        return out


def test_no_weight_is_copied_or_written() -> None:
    model = live_model(tiny_recipe("llama", method="lora"))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])
    model(
        input_ids=torch.ones(1, 4, dtype=torch.int64), labels=torch.ones(1, 4, dtype=torch.int64)
    ).loss.backward()
    optimizer.step()
    before = [(p.data_ptr(), p._version, id(p.grad)) for p in model.parameters()]
    with _NoCopies():
        twin = make_twin(model, optimizer)
    assert [(p.data_ptr(), p._version, id(p.grad)) for p in model.parameters()] == before
    assert len(twin.optimizer.state) == len(optimizer.state)
    states = [s for state in twin.optimizer.state.values() for s in state.values() if s.dim()]
    assert states
    assert {s.device.type for s in states} == {"meta"}


@pytest.mark.parametrize(
    "name", ["adamw_torch", "adamw_torch_fused", "adafactor", "adamw_bnb_8bit", "paged_adamw_32bit"]
)
def test_the_optimizer_is_the_real_one_over_the_twin(name: str) -> None:
    model = make("llama", "cpu")
    try:
        live = build_optimizer(model, tiny_recipe("llama", optimizer=name))
    except Exception as error:  # bitsandbytes' paged ones are made with CUDA only
        pytest.skip(str(error))
    torch.optim.lr_scheduler.LambdaLR(live, lambda step: 1.0)  # puts a `step` of its own on the live one
    twin = make_twin(model, live)
    assert type(twin.optimizer) is type(live)
    assert "step" not in vars(twin.optimizer)
    assert twin.optimizer.defaults == live.defaults
    names = {id(p): name for name, p in model.named_parameters()}
    twins = {id(p): name for name, p in twin.model.named_parameters()}
    for old, new in zip(live.param_groups, twin.optimizer.param_groups, strict=True):
        assert [names[id(p)] for p in old["params"]] == [twins[id(p)] for p in new["params"]]
        assert {k: v for k, v in old.items() if k != "params"} == {
            k: v for k, v in new.items() if k != "params"
        }


def test_a_quantized_base(tmp_path: Path) -> None:
    make("llama", "cpu").to(torch.bfloat16).save_pretrained(tmp_path)
    config = transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True
    )
    base = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, quantization_config=config, device_map="cpu"
    )
    model = apply_method(base, tiny_recipe("llama", method="lora"))
    twin = make_twin(model, sgd(model)).model
    pairs = zip(quantization.quantized_modules(model), quantization.quantized_modules(twin), strict=True)
    for (path, old), (_, new) in pairs:
        assert type(new.weight) is type(old.weight), path
        assert new.weight.quant_state.shape == old.weight.quant_state.shape
        sizes = [[t.untyped_storage().nbytes() for t in quantization.state_tensors(m)] for m in (old, new)]
        assert sizes[0] == sizes[1]
        assert {t.device.type for t in quantization.state_tensors(new)} == {"meta"}
    assert quantization.quantized_modules(model)


def test_autocast_of_accelerate_is_taken_off() -> None:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state()  # one process has one precision, and other tests have another
    model = make("llama", "cpu")
    plain = model.forward.__func__
    prepared = Accelerator(cpu=True, mixed_precision="bf16").prepare_model(model)
    assert "forward" in vars(prepared)
    twin = make_twin(prepared, sgd(prepared)).model
    assert twin.forward.__func__ is plain
    assert twin.forward.__self__ is twin
    assert "forward" in vars(prepared), "the live one keeps it"


def test_a_forward_that_holds_the_model_is_bound_to_the_twin() -> None:
    model = make("llama", "cpu")
    original = model.forward
    calls = []

    @functools.wraps(type(model).forward)
    def counting(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(self)
        return original(*args, **kwargs)

    model.forward = counting.__get__(model)
    twin = make_twin(model, sgd(model)).model
    out = twin(input_ids=torch.ones(1, 4, dtype=torch.int64, device="meta"))
    assert out.logits.device.type == "meta"
    assert calls == [twin]


def test_a_holder_that_cannot_be_rebound_is_refused() -> None:
    model = make("llama", "cpu")

    def nested(depth: int) -> Any:
        inner = model.forward if depth == 0 else nested(depth - 1)
        return lambda *args, **kwargs: inner(*args, **kwargs)

    class Holder:
        def __init__(self) -> None:
            self.model = model

    model.forward = nested(1)
    twin = make_twin(model, sgd(model)).model
    assert twin(input_ids=torch.ones(1, 4, dtype=torch.int64, device="meta")).logits.is_meta
    assert Holder().model is model


def test_hooks_of_the_user_are_left_off_and_named() -> None:
    model = make("llama", "cpu")
    seen = []
    model.model.layers[0].register_forward_hook(lambda *args: seen.append(args))
    model.enable_input_require_grads()  # transformers' own: part of how it trains
    twin = make_twin(model, sgd(model))
    assert twin.left_out == (f"a hook of {__name__} on the model",)
    assert not twin.model.model.layers[0]._forward_hooks
    assert len(twin.model.get_input_embeddings()._forward_hooks) == 1
    assert len(model.model.layers[0]._forward_hooks) == 1


def test_weights_in_one_buffer_stay_in_one() -> None:
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    flat = torch.randn(32)
    for i, layer in enumerate(model):
        layer.weight = nn.Parameter(flat[16 * i : 16 * i + 16].view(4, 4))
    twin = make_twin(model, sgd(model)).model
    assert twin[0].weight.untyped_storage()._cdata == twin[1].weight.untyped_storage()._cdata
    assert twin[1].weight.storage_offset() == 16


def test_what_is_no_parameter_is_carried_along() -> None:
    model = nn.Linear(4, 4)
    model.mask = torch.ones(64, 64)  # no buffer
    model.count = torch.tensor(3)  # a number on the host
    twin = make_twin(model, sgd(model))
    assert [tuple(tensor.shape) for tensor in twin.others] == [(64, 64)]
    assert twin.model.mask.is_meta
    assert twin.model.count == 3


class _Wrapped(torch.Tensor):
    """A tensor that is made of others, as quantization libraries make them."""

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> Any:
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)

    def __init__(self, inner: torch.Tensor) -> None:
        self.inner = inner

    def __tensor_flatten__(self) -> Any:
        return ["inner"], None

    @classmethod
    def __tensor_unflatten__(cls, inner: Any, *_: Any) -> Any:
        return cls(inner["inner"])

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return args[0] if func is torch.ops.aten.detach.default else NotImplemented


def refusals() -> list[tuple[str, Any, str]]:
    on_meta = make("llama", "meta")
    split = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, device="meta"))
    stepping = nn.Linear(2, 2)
    stepping.weight.register_post_accumulate_grad_hook(lambda p: None)
    compiled = nn.Sequential(nn.Linear(2, 2))
    compiled[0].compile()
    wrapped = nn.Linear(2, 2)
    wrapped.weight = nn.Parameter(_Wrapped(torch.ones(2, 2)), requires_grad=False)
    return [
        ("no weights", on_meta, "one device, and are on: meta"),
        ("two devices", split, "one device, and are on: cpu, meta"),
        ("steps in backward", stepping, "steps inside backward"),
        ("compiled", compiled, "compiled model"),
        ("wrapped", wrapped, "tensors of type"),
    ]


@pytest.mark.parametrize(
    "case", range(5), ids=["no weights", "two devices", "steps in backward", "compiled", "wrapped"]
)
def test_refusals_say_why(case: int) -> None:
    _, model, why = refusals()[case]
    with pytest.raises(RehearsalError, match=why):
        make_twin(model, sgd(model))


def test_what_cannot_be_copied_is_a_reason_not_a_traceback() -> None:
    model = nn.Linear(2, 2)
    model.generator = (i for i in range(3))
    with pytest.raises(RehearsalError, match="cannot be copied: cannot pickle 'generator' object"):
        make_twin(model, sgd(model))
    assert next(copy.copy(model).generator) == 0
