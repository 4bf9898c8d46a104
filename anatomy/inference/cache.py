"""The cache of keys, values and states that a model keeps while it writes, and its bytes."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

Kind = Literal["full", "sliding", "latent", "indexed latent", "state", "hybrid", "cross", "none"]
"""What a layer keeps: keys and values of all tokens, or of a window; compressed ones with one rotary key, also with
keys of an index; a state of constant size; both; those of the encoder's or another modality's tokens; or nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheDType:
    """A number format of keys and values."""

    name: str
    bits: float
    """Bits of a number, its share of scales counted."""
    full_only: bool = False
    """Whether the library that has it takes models alone whose layers all keep every token."""
    note: str = ""
    """Who keeps a cache so."""


_GROUP = 64
"""Numbers that share a scale and a zero point of 16 bits each (transformers, QuantizedCache, q_group_size)."""

CACHE_DTYPES: tuple[CacheDType, ...] = (
    CacheDType(name="fp32", bits=32, note="of a model that is loaded in fp32"),
    CacheDType(name="bf16", bits=16, note="what models are served in; fp16 is the same"),
    CacheDType(name="fp8", bits=8, note="vLLM's kv_cache_dtype=fp8, one scale a tensor"),
    CacheDType(
        name="int8",
        bits=8 + 32 / _GROUP,
        full_only=True,
        note="transformers' QuantizedCache (HQQ), groups of 64; up to 128 last tokens stay in 16 bits on top",
    ),
    CacheDType(
        name="int4",
        bits=4 + 32 / _GROUP,
        full_only=True,
        note="transformers' QuantizedCache (Quanto, HQQ), groups of 64; up to 128 last tokens stay in 16 bits on top",
    ),
)
BY_NAME = {kind.name: kind for kind in CACHE_DTYPES}


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerCache:
    """What one layer keeps of one sequence."""

    kind: Kind
    token_elements: int = 0
    """Numbers of each token that it keeps."""
    window: int | None = None
    """Most tokens that it keeps; None for all."""
    state_bytes: int = 0
    """States of constant size, in formats of their own."""

    def elements(self, context: int, encoder: int) -> int:
        """Numbers kept after `context` tokens, of a cross-attention after `encoder` ones."""
        tokens = encoder if self.kind == "cross" else context
        return self.token_elements * (tokens if self.window is None else min(tokens, self.window))


@dataclass(frozen=True, kw_only=True, slots=True)
class Alike:
    """Layers that keep the same."""

    layer: LayerCache
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class KvCache:
    """What all layers keep of one sequence."""

    layers: tuple[LayerCache, ...]
    expanded: int | None = None
    """Numbers a token of each latent layer if keys and values were kept for every head; None without such layers."""
    encoder_tokens: int | None = None
    """Tokens of the encoder, where its input has a fixed length; None where they are the context's."""
    fp32_states: int | None = None
    """Bytes of constant size of one sequence of the same model loaded in fp32, whose format some states take; None where
    they are not known to differ."""
    notes: tuple[str, ...] = ()
    """What else is kept, or not known."""

    @property
    def alike(self) -> tuple[Alike, ...]:
        """The layers by what they keep, in the order of their first."""
        kinds = dict.fromkeys(self.layers)
        return tuple(Alike(layer=kind, count=self.layers.count(kind)) for kind in kinds)

    @property
    def state_bytes(self) -> int:
        """Bytes of constant size of one sequence."""
        return sum(layer.state_bytes for layer in self.layers)

    def states_in(self, dtype: CacheDType) -> int:
        """Bytes of constant size of one sequence, where keys and values are kept in `dtype`. What quantizes these leaves
        states alone; in fp32 the model is, too.
        """
        wide = self.fp32_states is not None and dtype.name == "fp32"
        return self.fp32_states or 0 if wide else self.state_bytes

    @property
    def keeps_all(self) -> bool:
        """Whether every layer keeps something of every token, as transformers' QuantizedCache demands."""
        return all(layer.kind in ("full", "latent") for layer in self.layers)

    def elements(self, context: int) -> int:
        """Keys and values of one sequence after `context` tokens."""
        encoder = context if self.encoder_tokens is None else self.encoder_tokens
        return sum(layer.elements(context, encoder) for layer in self.layers)

    def token_elements(self, *, beyond_windows: bool = False) -> int:
        """Numbers that one more written token adds: while the windows are not full, or beyond them."""
        return sum(
            layer.token_elements
            for layer in self.layers
            if layer.kind != "cross" and (layer.window is None or not beyond_windows)
        )

    def bytes_for(self, context: int, batch: int, dtype: CacheDType) -> int:
        """Bytes of `batch` sequences of `context` tokens each."""
        return batch * (int(self.elements(context) * dtype.bits / 8) + self.states_in(dtype))

    def token_bytes(self, dtype: CacheDType, *, beyond_windows: bool = False) -> int:
        """Bytes that one more written token of one sequence adds."""
        return int(self.token_elements(beyond_windows=beyond_windows) * dtype.bits / 8)

    @property
    def reach(self) -> tuple[int, int] | None:
        """(layers with a window, tokens that they reach together): each looks one window further back; None without any.

        Mistral 7B (arXiv:2310.06825, section 2): after k layers information moves by up to k x window tokens.
        """
        windows = [layer.window for layer in self.layers if layer.window is not None]
        return (len(windows), sum(windows)) if windows else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "layers": [
                {
                    "kind": run.layer.kind,
                    "count": run.count,
                    "token_elements": run.layer.token_elements,
                    "window": run.layer.window,
                    "state_bytes": run.layer.state_bytes,
                }
                for run in self.alike
            ],
            "order": list(self._order()),
            "expanded_token_elements": self.expanded,
            "encoder_tokens": self.encoder_tokens,
            "fp32_state_bytes": self.fp32_states,
            "reach": None if self.reach is None else {"layers": self.reach[0], "tokens": self.reach[1]},
            "notes": list(self.notes),
        }

    def _order(self) -> Iterator[str]:
        for kind, run in groupby(layer.kind for layer in self.layers):
            yield f"{len(list(run))} {kind}"
