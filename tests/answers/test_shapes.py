"""Our shortcuts say what the real kernels return: shape, dtype and strides, on CPU tensors."""

import pytest
import torch

from anatomy.answers.shapes import shortcut

_aten = torch.ops.aten


def layout(tensor: torch.Tensor) -> tuple[object, ...]:
    return tensor.shape, tensor.dtype, tensor.stride(), tensor.untyped_storage().nbytes()


@pytest.mark.parametrize("op", [_aten.mul.Tensor, _aten.add.Tensor, _aten.sub.Tensor, _aten.div.Tensor])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_elementwise(op: object, dtype: torch.dtype) -> None:
    real = torch.ones(3, 5, dtype=dtype)
    meta = real.to("meta")
    found = shortcut(op, (meta, meta), {})
    assert found is not None
    assert layout(found) == layout(op(real, real))  # type: ignore[operator]


@pytest.mark.parametrize(
    "operands",
    [
        (torch.ones(3, 5), 2.0),
        (2.0, torch.ones(3, 5)),
        (torch.ones(3, 5), torch.ones(5)),
        (torch.ones(3, 5), torch.ones(3, 5, dtype=torch.bfloat16)),
        (torch.ones(5, 3).t(), torch.ones(3, 5)),
        (torch.ones(3, 5, dtype=torch.int64), torch.ones(3, 5, dtype=torch.int64)),
    ],
    ids=["number", "number first", "broadcast", "mixed", "transposed", "integers"],
)
def test_anything_else_is_left_to_torch(operands: tuple[object, object]) -> None:
    meta = [o.to("meta") if isinstance(o, torch.Tensor) else o for o in operands]
    assert shortcut(_aten.mul.Tensor, meta, {}) is None
    assert shortcut(_aten.mul.Tensor, operands, {}) is None  # nor are real tensors ours


GROUPS = torch.tensor([2, 5, 8], dtype=torch.int32)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("columns", [16, 24])
def test_grouped_products(dtype: torch.dtype, columns: int) -> None:
    rows, experts = torch.ones(8, 16, dtype=dtype), torch.ones(3, 16, columns, dtype=dtype)
    out = torch.ones(8, 16, dtype=dtype)
    for a, b in ((rows, experts), (rows.t(), out)):
        real = torch._grouped_mm(a, b, GROUPS)
        found = shortcut(_aten._grouped_mm.default, (a.to("meta"), b.to("meta"), GROUPS.to("meta")), {})
        assert found is not None
        assert (found.shape, found.dtype) == (real.shape, real.dtype)


def test_products_of_bfloat16_are_torchs_own() -> None:
    a = torch.empty(8, 16, dtype=torch.bfloat16, device="meta")
    b = torch.empty(3, 16, 16, dtype=torch.bfloat16, device="meta")
    assert shortcut(_aten._grouped_mm.default, (a, b, GROUPS.to("meta")), {}) is None
