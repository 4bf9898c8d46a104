"""Formats of torch checkpoints: for each, which weights it quantizes and what a matrix then takes."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from anatomy.architecture.anatomy import Anatomy
from anatomy.formats.size import FormatSize
from anatomy.formats.weights import Weight, weights_of

Cost = Callable[[Weight], tuple[int, int]]
"""A quantized weight -> (bytes of its numbers, bytes of its scales)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """What a format looks at beside one weight."""

    weights: tuple[Weight, ...]
    linears: Collection[str] | None = None
    """Paths of the linear layers that transformers hands to bitsandbytes; None where no class was built."""

    @property
    def has_experts(self) -> bool:
        """Whether there are routed experts."""
        return any(weight.is_expert for weight in self.weights)


Chosen = Callable[[Weight, Model], bool]
"""(weight, the whole model) -> whether the format quantizes it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scheme:
    """One format."""

    name: str
    says: str
    """What is quantized, and how, in a few words."""
    kept: int
    """Bytes of a number that is left alone."""
    quantizes: Chosen
    cost: Cost
    source: str = ""
    """Where the layout is defined."""


def _nothing(weight: Weight, model: Model) -> bool:
    return False


def _linear_layers(weight: Weight, model: Model) -> bool:
    """What bitsandbytes replaces: linear layers but the head; stacked experts are a parameter of another class."""
    if model.linears is not None:
        return weight.name == "weight" and weight.owner in model.linears
    return weight.is_linear and weight.components != ("head",)


def _blocks(weight: Weight, model: Model) -> bool:
    """What GPTQ, AWQ and FP8 checkpoints quantize: the matrices of the layers, experts one by one, no routers."""
    return weight.is_expert or (weight.is_linear and weight.in_block)


def _experts_or_blocks(weight: Weight, model: Model) -> bool:
    """MXFP4 as gpt-oss uses it: the experts, where there are any."""
    return weight.is_expert if model.has_experts else _blocks(weight, model)


def _plain(weight: Weight) -> tuple[int, int]:
    return 0, 0


def _int8(weight: Weight) -> tuple[int, int]:
    """A byte each; a float32 scale (SCB) for every row."""
    return weight.elements, 4 * weight.rows


def _nf4(weight: Weight, *, nested: bool, block: int = 64) -> tuple[int, int]:
    """Half a byte each; a float32 scale a block, or a byte with a float32 for 256 of them and one offset; code books."""
    scales = math.ceil(weight.elements / block)
    books = 4 * 16
    if not nested:
        return math.ceil(weight.elements / 2), 4 * scales + books
    return math.ceil(weight.elements / 2), scales + 4 * math.ceil(scales / 256) + 4 + books + 4 * 256


def _groups_of_four_bits(weight: Weight, *, order: bool, group: int = 128) -> tuple[int, int]:
    """Half a byte each; for every group of inputs and output a float16 scale and a zero point of 4 bits; the order of the
    inputs (`g_idx`, int32), in GPTQ, once for every matrix.
    """
    groups = math.ceil(weight.columns / group) * weight.rows
    matrices = weight.copies * (2 if _is_double(weight) else 1)
    ordered = 4 * weight.columns * matrices if order else 0
    return weight.elements // 2, 2 * groups + groups // 2 + ordered


def _is_double(weight: Weight) -> bool:
    """Whether stacked experts hold gates and ups in one, which checkpoints keep apart."""
    return weight.copies > 1 and "gate_up" in weight.name


def _fp8(weight: Weight, *, side: int = 128) -> tuple[int, int]:
    """A byte each; a float32 scale for every tile of 128 by 128."""
    rows = weight.rows // weight.copies
    tiles = math.ceil(rows / side) * math.ceil(weight.columns / side) * weight.copies
    return weight.elements, 4 * tiles


def _mxfp4(weight: Weight, *, block: int = 32) -> tuple[int, int]:
    """Half a byte each; a byte, the exponent they share, for every 32 numbers of a row."""
    return math.ceil(weight.elements / 2), weight.rows * math.ceil(weight.columns / block)


SCHEMES: tuple[Scheme, ...] = (
    Scheme(name="fp32", says="4 bytes a number", kept=4, quantizes=_nothing, cost=_plain),
    Scheme(name="bf16", says="2 bytes a number", kept=2, quantizes=_nothing, cost=_plain),
    Scheme(name="fp16", says="2 bytes a number", kept=2, quantizes=_nothing, cost=_plain),
    Scheme(
        name="int8",
        says="bitsandbytes LLM.int8: linear layers but the head, a scale a row",
        kept=2,
        quantizes=_linear_layers,
        cost=_int8,
        source="arXiv:2208.07339; bitsandbytes, nn/modules.py, Int8Params",
    ),
    Scheme(
        name="fp8",
        says="e4m3: matrices of the layers, a scale for 128 x 128",
        kept=2,
        quantizes=_blocks,
        cost=_fp8,
        source="DeepSeek-V3, arXiv:2412.19437, section 3.3; transformers, FineGrainedFP8Config",
    ),
    Scheme(
        name="nf4",
        says="bitsandbytes: linear layers but the head, a scale for 64",
        kept=2,
        quantizes=_linear_layers,
        cost=partial(_nf4, nested=False),
        source="arXiv:2305.14314, section 3; bitsandbytes, functional.py, QuantState",
    ),
    Scheme(
        name="nf4 double",
        says="double quantization: the same, scales in 8 bits",
        kept=2,
        quantizes=_linear_layers,
        cost=partial(_nf4, nested=True),
        source="arXiv:2305.14314, section 3; bitsandbytes, functional.py, QuantState",
    ),
    Scheme(
        name="gptq 4-bit",
        says="matrices of the layers, groups of 128, the inputs' order",
        kept=2,
        quantizes=_blocks,
        cost=partial(_groups_of_four_bits, order=True),
        source="AutoGPTQ and GPTQModel, QuantLinear: qweight, qzeros, scales, g_idx",
    ),
    Scheme(
        name="awq 4-bit",
        says="matrices of the layers, groups of 128",
        kept=2,
        quantizes=_blocks,
        cost=partial(_groups_of_four_bits, order=False),
        source="AutoAWQ, WQLinear_GEMM: qweight, qzeros, scales",
    ),
    Scheme(
        name="mxfp4",
        says="e2m1: experts, else matrices of the layers, an exponent for 32",
        kept=2,
        quantizes=_experts_or_blocks,
        cost=_mxfp4,
        source="OCP Microscaling Formats 1.0; gpt-oss's checkpoints; transformers, Mxfp4Config",
    ),
)


def size_as(scheme: Scheme, model: Model) -> FormatSize:
    """What a model's weights take in one format."""
    packed = scales = kept = experts = 0
    for weight in model.weights:
        if scheme.quantizes(weight, model):
            numbers, beside = scheme.cost(weight)
            packed, scales = packed + numbers, scales + beside
        else:
            kept += scheme.kept * weight.elements
            experts += weight.elements if weight.is_expert else 0
    quantizes = scheme.quantizes is not _nothing
    return FormatSize(
        name=scheme.name,
        parameters=sum(weight.elements for weight in model.weights),
        packed_bytes=packed,
        scale_bytes=scales,
        kept_bytes=kept,
        kept_experts=experts if quantizes else 0,
        says=scheme.says,
        source=scheme.source,
        why_not="it has no weights that this format would quantize" if quantizes and not packed else "",
    )


def torch_sizes(anatomy: Anatomy, linears: Collection[str] | None = None) -> tuple[FormatSize, ...]:
    """The model's size in every format of SCHEMES. `linears`: see Model."""
    model = Model(weights=tuple(weights_of(anatomy)), linears=linears)
    return tuple(size_as(scheme, model) for scheme in SCHEMES)
