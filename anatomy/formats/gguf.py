"""A model's size as a GGUF file: every tensor in the type that llama.cpp's quantizer would choose."""

from collections import Counter
from collections.abc import Iterator

from anatomy.architecture.anatomy import Anatomy
from anatomy.formats.llama_cpp import Converted, GgufTensor, converted
from anatomy.formats.mixes import EIGHT_EXPERTS, FALLBACK, MIXES, SEVENTY_B, WHEN, Mix, Place, Rules
from anatomy.formats.size import FormatSize
from anatomy.ggml import BY_NAME

NAME = "gguf"
ALIGNMENT = 32
"""Tensors begin at multiples of so many bytes (GGUF's `general.alignment`)."""
SOURCE = "llama.cpp, src/llama-quant.cpp, llama_tensor_get_type"


class _RefusedError(Exception):
    """llama.cpp would stop at this tensor."""


def gguf_sizes(anatomy: Anatomy) -> tuple[FormatSize, ...]:
    """The tensors' bytes in every file type of MIXES; the metadata with the vocabulary comes on top.

    One entry that says why where llama.cpp would not convert the model, or it is not known how.
    """
    model = converted(anatomy)
    if isinstance(model, str):
        return (FormatSize(name=NAME, parameters=anatomy.total, why_not=model, source=SOURCE),)
    return tuple(size_as(mix, model) for mix in MIXES)


def size_as(mix: Mix, model: Converted) -> FormatSize:
    """What a converted model takes as one file type."""
    total = sum(tensor.elements for tensor in model.tensors)
    sizes: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    try:
        for tensor, kind in types(mix, model):
            size = BY_NAME[kind].bytes_for(tensor.elements)
            sizes[kind] += -(-size // ALIGNMENT) * ALIGNMENT
            counts[kind] += 1
    except _RefusedError as refused:
        return FormatSize(name=f"{NAME} {mix.name}", parameters=total, why_not=str(refused), source=SOURCE)
    kept = sizes["F32"] + sizes["F16"]
    scales = sum(size - _numbers(kind, size) for kind, size in sizes.items())
    apart = (
        f"; {model.apart:,} parameters of other modalities go into a file of their own" if model.apart else ""
    )
    return FormatSize(
        name=f"{NAME} {mix.name}",
        parameters=total,
        packed_bytes=sum(sizes.values()) - kept - scales,
        scale_bytes=scales,
        kept_bytes=kept,
        tensors=dict(counts.most_common()),
        says=f"llama.cpp's {model.architecture}{apart}",
        source=SOURCE,
    )


def _numbers(kind: str, size: int) -> int:
    """The part of `size` that the numbers themselves take: a type's name says their bits."""
    known = BY_NAME[kind]
    bits = int("".join(c for c in kind.partition("_")[0] if c.isdigit()))
    return size * bits * known.block // (8 * known.block_bytes)


def types(mix: Mix, model: Converted) -> Iterator[tuple[GgufTensor, str]]:
    """Every tensor with its type. Raises where llama.cpp stops."""
    met: Counter[str] = Counter()
    counts: Counter[str] = Counter(tensor.role for tensor in model.tensors)
    tied = not counts["output"]
    for tensor in model.tensors:
        at = _place(tensor, met, counts, model)
        met[tensor.role] += 1
        yield tensor, _fitting(_wanted(mix, model, tensor, at, tied), tensor, mix)


def _place(tensor: GgufTensor, met: Counter[str], counts: Counter[str], model: Converted) -> Place:
    """Projections down are counted by all layers, and in a model with experts numbered by their layer."""
    if tensor.role != "ffn_down":
        return Place(index=met[tensor.role], count=counts[tensor.role], grouped=model.grouped)
    index = tensor.layer if model.experts > 1 and tensor.layer is not None else met[tensor.role]
    return Place(index=index, count=model.layers, grouped=model.grouped)


def _wanted(mix: Mix, model: Converted, tensor: GgufTensor, at: Place, tied: bool) -> str:
    """The type before it is seen whether the rows are long enough."""
    if tensor.role == "kept":
        return "F32"
    if mix.default == "F16":
        return "F16"
    falcon = model.architecture == "falcon"
    if tensor.role == "output" or (tied and tensor.role == "token_embd"):
        whole = tensor.columns % BY_NAME[mix.default].block == 0
        return "Q6_K" if whole and not falcon and mix.default != "Q8_0" else "Q8_0"
    if model.experts == 8 and tensor.role in EIGHT_EXPERTS:
        return EIGHT_EXPERTS[tensor.role]
    if model.experts == 8 and tensor.role == "attn_output" and not falcon:
        return "Q5_K" if mix.eight_experts_output else mix.default
    rules = {**mix.rules, **(mix.falcon if falcon else {})}
    kind = _by(rules.get(tensor.role, ()), at) or mix.default
    return SEVENTY_B.get(kind, kind) if model.seventy_b and tensor.role == "attn_v" else kind


def _by(rules: Rules, at: Place) -> str | None:
    return next((kind for condition, kind in rules if WHEN[condition](at)), None)


def _fitting(kind: str, tensor: GgufTensor, mix: Mix) -> str:
    """The type itself, or the one that llama.cpp falls back to for rows that are no whole number of blocks."""
    if tensor.columns % BY_NAME[kind].block == 0:
        return kind
    if kind not in FALLBACK:
        raise _RefusedError(
            f"llama.cpp refuses it: rows of {tensor.columns} numbers are no multiple of {BY_NAME[kind].block}, "
            f"and {kind} has no type to fall back to"
        )
    instead = FALLBACK[kind]
    return instead if tensor.columns % BY_NAME[instead].block == 0 else "F16"
