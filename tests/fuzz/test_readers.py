"""Two thousand cases for the readers of strangers' files; `guided.py` runs as many as there is time for."""

import json
import struct

import pytest
import readers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SEEDS = readers.seeds()
SETTINGS = settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
NUMBERS = [
    0,
    1,
    2,
    31,
    32,
    127,
    128,
    255,
    256,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**62,
    2**63 - 1,
    2**63,
    2**64 - 1,
]


@st.composite
def damaged(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """One of the valid files, changed in a few places."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, len(data)))
        piece = draw(
            st.one_of(
                st.binary(max_size=12),
                st.sampled_from(NUMBERS).map(lambda number: struct.pack("<Q", number)),
                st.sampled_from(
                    [b"{", b"}", b"[", b'"', b":", b",", b"null", b"-1", b"1e999", b"../", b"\\u0000"]
                ),
                st.sampled_from([word.encode() for word in ("weight_map", "dtype", "shape", "__metadata__")]),
            )
        )
        data[at : at + draw(st.integers(0, 16))] = piece
    return bytes(data[: draw(st.one_of(st.none(), st.integers(0, len(data))))])


@pytest.mark.parametrize("name", readers.READERS)
def test_any_bytes_are_read_or_refused(name: str) -> None:
    before = readers.peak_bytes()

    @SETTINGS
    @given(damaged(SEEDS[name]))
    def holds(data: bytes) -> None:
        readers.attempt(readers.READERS[name], data)

    holds()
    assert readers.peak_bytes() - before < readers.MEMORY_BYTES


KEYS = st.sampled_from(
    "model_type hidden_size num_hidden_layers text_config quantization_config dtype shape data_offsets weight_map w "
    "layer_types num_attention_heads torch_dtype vision_config __metadata__ quant_method n_head".split()
) | st.text(max_size=10)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)


@pytest.mark.parametrize("name", ["config", "index", "safetensors"])
def test_any_json_is_read_or_refused(name: str) -> None:
    @SETTINGS
    @given(st.dictionaries(KEYS, VALUES, max_size=8))
    def holds(value: dict[str, object]) -> None:
        raw = json.dumps(value).encode()
        readers.attempt(
            readers.READERS[name], len(raw).to_bytes(8, "little") + raw if name == "safetensors" else raw
        )

    holds()


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 1_000_000,
        b'{"a":' * 1_000_000,
        b'{"a_config":' * 900 + b"1" + b"}" * 900,
        b'{"shape":' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"a":' + b"9" * 100_000 + b"}",
        b"[" + b"{}," * 5_000_000 + b"{}]",
        b"{" + b",".join(b'"%x":1.5' % number for number in range(1_500_000)) + b"}",
        b'{"a":"' + "😀".encode() + b"a" * 19_000_000 + b'"}',
        b'{"a":"' + b"a" * 19_000_000 + b'"}',
        b" " * 30_000_000,
    ],
    ids=["arrays", "objects", "configs", "shape", "digits", "empty", "keys", "wide", "long", "blank"],
)
@pytest.mark.parametrize("name", ["config", "index", "safetensors"])
def test_deep_and_large_documents_are_bounded(name: str, text: bytes) -> None:
    data = len(text).to_bytes(8, "little") + text if name == "safetensors" else text
    before = readers.peak_bytes()
    readers.attempt(readers.READERS[name], data)
    assert readers.peak_bytes() - before < readers.MEMORY_BYTES
