"""Layers with packed weights as GPTQModel has them: buffers of the real shapes, and the program that it trains with.

GPTQModel needs a CUDA compiler to be installed, and is what transformers 5 reads GPTQ and AWQ checkpoints with. Source:
GPTQModel 7.3.4, nn_modules/qlinear.
"""

import math
from typing import Any, ClassVar

import torch


class StoredLinear(torch.nn.Module):
    """A linear layer whose weight lies packed in buffers."""

    program: ClassVar[str] = ""
    """What its product does, for the answer."""
    qweight: torch.Tensor
    qzeros: torch.Tensor
    scales: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, dense: torch.nn.Linear, *, bits: int, group_size: int) -> None:
        super().__init__()
        self.in_features = self.infeatures = dense.in_features
        self.out_features = self.outfeatures = dense.out_features
        self.bits = bits
        self.group_size = group_size if group_size > 0 else dense.in_features
        self.groups = math.ceil(dense.in_features / self.group_size)
        self._hold("scales", (self.groups, self.out_features), torch.float16, dense)
        if dense.bias is None:
            self.bias = None
        else:
            self._hold("bias", (self.out_features,), torch.float16, dense)

    def _hold(self, name: str, shape: tuple[int, ...], dtype: torch.dtype, like: torch.nn.Linear) -> None:
        self.register_buffer(name, torch.zeros(shape, dtype=dtype, device=like.weight.device))

    def extra_repr(self) -> str:
        """As torch's linear layers show themselves."""
        return f"{self.in_features}, {self.out_features}, bits={self.bits}, group_size={self.group_size}"


class GptqLinear(StoredLinear):
    """Packed along the inputs. In training the weight is unpacked by torch's operators, and autograd keeps it.

    qlinear/tritonv2.py, forward() leaves training to qlinear/torch.py, _forward_eager(); the unpacking is
    qlinear/__init__.py, dequantize_weight(). Codes are int8, or int16 for 8 bits.
    """

    program: ClassVar[str] = (
        "in training unpacks a weight with torch's operators and keeps it in 16 bits for backward"
    )

    def __init__(self, dense: torch.nn.Linear, *, bits: int, group_size: int) -> None:
        super().__init__(dense, bits=bits, group_size=group_size)
        self._hold(
            "qweight", (math.ceil(self.in_features * bits / 32), self.out_features), torch.int32, dense
        )
        self._hold("qzeros", (self.groups, math.ceil(self.out_features * bits / 32)), torch.int32, dense)
        self._hold("g_idx", (self.in_features,), torch.int32, dense)
        shifts = torch.arange(0, 32, bits, dtype=torch.int32, device=dense.weight.device)
        self.register_buffer("shifts", shifts, persistent=False)

    def dequantized(self) -> torch.Tensor:
        """The weight, [inputs, outputs]."""
        codes = torch.int16 if self.bits == 8 else torch.int8
        each, most = 32 // self.bits, 2**self.bits - 1
        zeros = torch.bitwise_right_shift(
            self.qzeros.unsqueeze(2).expand(-1, -1, each), self.shifts.view(1, 1, -1)
        ).to(codes)
        zeros = torch.bitwise_and(zeros, most).reshape(self.scales.shape)
        weight = torch.bitwise_and(
            torch.bitwise_right_shift(
                self.qweight.unsqueeze(1).expand(-1, each, -1), self.shifts.view(1, -1, 1)
            ).to(codes),
            most,
        )
        weight = weight.reshape(weight.shape[0] * weight.shape[1], weight.shape[2])
        return self.scales[self.g_idx.long()] * (weight - zeros[self.g_idx.long()])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The product, with the bias added in place."""
        shape = (*x.shape[:-1], self.out_features)
        x = x.reshape(-1, x.shape[-1])
        weight = self.dequantized()
        if weight.dtype != x.dtype:
            weight = weight.to(x.dtype)
        out = torch.matmul(x, weight).reshape(shape)
        if self.bias is not None:
            out.add_(self.bias.to(out.dtype))
        return out


class AwqLinear(StoredLinear):
    """Packed along the outputs. A kernel writes the weight out in forward and again in backward.

    qlinear/gemm_awq.py, AwqGemmFn.
    """

    program: ClassVar[str] = (
        "writes a weight out in 16 bits in forward and again in backward, there once more for each sequence of the batch"
    )

    def __init__(self, dense: torch.nn.Linear, *, bits: int, group_size: int) -> None:
        super().__init__(dense, bits=bits, group_size=group_size)
        self._hold("qweight", (self.in_features, self.out_features * bits // 32), torch.int32, dense)
        self._hold("qzeros", (self.groups, self.out_features * bits // 32), torch.int32, dense)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The product, in a 16-bit dtype; what comes in fp32 is cast, and what goes out is cast back."""
        dtype = x.dtype if x.dtype in (torch.float16, torch.bfloat16) else torch.float16
        if self.scales.dtype != dtype:  # for good, with the first input (_ensure_runtime_dtype)
            self.scales = self.scales.to(dtype)
        shape = (*x.shape[:-1], self.out_features)
        out = _AwqProduct.apply(x.to(dtype), self.qweight, self.qzeros, self.scales, self.bias)
        return out.to(x.dtype).reshape(shape)


class _AwqProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, qweight: Any, qzeros: Any, scales: Any, bias: Any) -> Any:
        ctx.save_for_backward(x, qweight, qzeros, scales, bias)
        rows = x.shape[0] * x.shape[1] if x.dim() > 2 else x.shape[0]
        if rows > 1024:  # below, one kernel multiplies with the packed weight
            out = torch.matmul(x, _written_out(qweight, scales).to(x.dtype))
        else:
            out = torch.empty((*x.shape[:-1], scales.shape[1]), dtype=x.dtype, device=x.device)
        return out if bias is None else out + bias

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        _, qweight, _, scales, _ = ctx.saved_tensors
        weight = _written_out(qweight, scales).to(grad.dtype)
        batch = grad if grad.dim() > 2 else grad.unsqueeze(0)
        out = batch.bmm(weight.transpose(0, 1).unsqueeze(0).repeat(batch.shape[0], 1, 1))
        return out.reshape((*grad.shape[:-1], weight.shape[0])), None, None, None, None


def _written_out(qweight: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """What the kernel awq_dequantize_weights takes from the allocator: the weight, [inputs, outputs]."""
    return torch.empty((qweight.shape[0], scales.shape[1]), dtype=scales.dtype, device=scales.device)
