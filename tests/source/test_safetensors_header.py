import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
from checkpoints import checkpoint, entries, header
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from anatomy.blueprint import TensorHeader
from anatomy.errors import SourceError
from anatomy.source.safetensors import parse_header, read_header

TWO = {"a": ("F32", [2, 3]), "b": ("BF16", [4])}

# Byte widths are powers of two, so any shape of these is a whole number of bytes.
_WHOLE = ["F64", "F32", "BF16", "F16", "I64", "U8", "BOOL", "F8_E4M3"]
_tensors = st.dictionaries(
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=12).filter(
        lambda name: name != "__metadata__"
    ),
    st.tuples(st.sampled_from(_WHOLE), st.lists(st.integers(0, 4), max_size=4)),
    max_size=6,
)


def file_of(content: Any, data: int) -> bytes:
    return header(content) + bytes(data)


def outcome(data: bytes) -> dict[str, tuple[str, tuple[int, ...]]] | SourceError:
    """What the reader makes of a file, the refusal as a value; any other exception fails the test."""
    try:
        return {t.name: (t.dtype, t.shape) for t in parse_header(data, file="f", size=len(data))}
    except SourceError as error:
        return error


def agree_with_the_reference(data: bytes) -> None:
    """Nothing is read otherwise than the safetensors library reads it, and little that it reads is refused."""
    ours = outcome(data)
    try:
        theirs = {
            name: (entry["dtype"], tuple(entry["shape"])) for name, entry in safetensors.deserialize(data)
        }
    except safetensors.SafetensorError:
        assert isinstance(ours, SourceError)
        assert ours.hint
        return
    if isinstance(ours, SourceError):
        assert re.search("twice|unprintable", ours.message), (ours.message, data)
    else:
        assert ours == theirs


def test_reads_what_the_reference_library_writes(tmp_path: Path) -> None:
    tensors = {
        "layers.0.weight": np.zeros((3, 5), dtype=np.float16),
        "layers.0.bias": np.zeros(3, dtype=np.float32),
        "step": np.zeros((), dtype=np.int64),
    }
    path = tmp_path / "model.safetensors"
    path.write_bytes(save(tensors, metadata={"format": "np"}))
    read = {tensor.name: tensor for tensor in read_header(path)}
    assert read == {
        "layers.0.weight": TensorHeader(
            name="layers.0.weight", dtype="F16", shape=(3, 5), file="model.safetensors"
        ),
        "layers.0.bias": TensorHeader(
            name="layers.0.bias", dtype="F32", shape=(3,), file="model.safetensors"
        ),
        "step": TensorHeader(name="step", dtype="I64", shape=(), file="model.safetensors"),
    }
    assert sum(tensor.stored_bytes for tensor in read.values()) == 30 + 12 + 8


def test_elements_smaller_than_a_byte_share_it() -> None:
    (tensor,) = parse_header(checkpoint({"blocks": ("F4", [2, 6])}), file="x")
    assert (tensor.elements, tensor.stored_bytes) == (12, 6)
    with pytest.raises(SourceError, match=r"take 1\.5"):
        parse_header(file_of({"odd": {"dtype": "F4", "shape": [3], "data_offsets": [0, 2]}}, 2), file="x")


@given(tensors=_tensors, padding=st.integers(0, 9), data=st.data())
def test_round_trip(tensors: dict[str, tuple[str, list[int]]], padding: int, data: st.DataObject) -> None:
    described = entries(tensors)
    shuffled = dict(data.draw(st.permutations(list(described.items()))))
    start = header({"__metadata__": {"format": "pt"}, **shuffled}, padding=padding)
    size = len(start) + max((entry["data_offsets"][1] for entry in described.values()), default=0)
    read = parse_header(start, file="f", size=size)
    assert {tensor.name: (tensor.dtype, list(tensor.shape)) for tensor in read} == tensors
    assert sum(tensor.stored_bytes for tensor in read) == size - len(start)


@settings(max_examples=300)
@given(tensors=_tensors, data=st.data())
def test_a_damaged_file_is_refused_or_read_as_the_reference_library_reads_it(
    tensors: dict[str, tuple[str, list[int]]], data: st.DataObject
) -> None:
    damaged = bytearray(checkpoint(tensors))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        match data.draw(st.sampled_from(["change", "digit", "drop", "insert", "cut"])):
            case "change":
                damaged[place] = data.draw(st.integers(0, 255))
            case "digit":
                damaged[place] = data.draw(st.sampled_from(b'0123456789-.e[]{}",:'))
            case "drop":
                del damaged[place : place + data.draw(st.integers(1, 9))]
            case "insert":
                damaged[place:place] = data.draw(st.binary(min_size=1, max_size=9))
            case "cut":
                del damaged[max(place, 1) :]
        if not damaged:
            break
    agree_with_the_reference(bytes(damaged))


@given(st.binary(max_size=64))
def test_arbitrary_bytes_never_raise_anything_else(data: bytes) -> None:
    agree_with_the_reference(data)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["a", "dtype", "shape", "data_offsets", "__metadata__"]), inner)
        ),
        max_leaves=12,
    )
)
def test_arbitrary_json_never_raises_anything_else(content: Any) -> None:
    agree_with_the_reference(header(content))


@pytest.mark.parametrize("length", range(len(checkpoint(TWO))))
def test_every_truncation_is_refused(length: int, tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(checkpoint(TWO)[:length])
    with pytest.raises(SourceError, match=r"is truncated|bytes of data where its header describes 32"):
        read_header(path)


def _entry(dtype: object = "F32", shape: object = (2,), data_offsets: object = (0, 8)) -> dict[str, Any]:
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": data_offsets}}


_PAIR = entries({"a": ("U8", [4]), "b": ("U8", [4])})


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        pytest.param(b"", "not valid JSON", id="empty"),
        pytest.param(b"not json", "not valid JSON", id="not JSON"),
        pytest.param(b'\xff{"a":1}', "not valid JSON", id="not UTF-8"),
        pytest.param(b"[" * 100_000, "nested too deeply", id="nested beyond reason"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", "not valid JSON", id="endless integer"),
        pytest.param([1, 2], "not an object", id="a list"),
        pytest.param(
            json.dumps(_entry()).encode()[:-1] + b"," + json.dumps(_entry()).encode()[1:],
            "gives 'a' twice",
            id="a tensor twice",
        ),
        pytest.param(
            b'{"a":{"dtype":"U8","dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
            "gives 'dtype' twice",
            id="a dtype twice",
        ),
        pytest.param({"a": 3}, "does not give 'a' a dtype", id="entry is a number"),
        pytest.param({"a": {"dtype": "F32", "shape": [2]}}, "does not give 'a' a dtype", id="no offsets"),
        pytest.param(
            {"a": {"dtype": "F32", "data_offsets": [0, 8]}}, "does not give 'a' a dtype", id="no shape"
        ),
        pytest.param(
            {"a": {"shape": [2], "data_offsets": [0, 8]}}, "does not give 'a' a dtype", id="no dtype"
        ),
        pytest.param(_entry(dtype="F31"), "number format that is not known: 'F31'", id="dtype unknown"),
        pytest.param(_entry(dtype=["F32"]), "number format that is not known", id="dtype is a list"),
        pytest.param(_entry(shape=2), "not a list of counts", id="shape is a number"),
        pytest.param(_entry(shape=[-2]), "not a list of counts", id="negative dimension"),
        pytest.param(_entry(shape=[2.0]), "not a list of counts", id="fractional dimension"),
        pytest.param(_entry(shape=[True, 2]), "not a list of counts", id="boolean dimension"),
        pytest.param(_entry(shape=["2"]), "not a list of counts", id="text dimension"),
        pytest.param(_entry(shape=[2**64]), "not a list of counts", id="dimension beyond 64 bits"),
        pytest.param(_entry(shape=[2**40, 2**40]), "absurd shape", id="absurd product"),
        pytest.param(
            _entry(shape=[0, 2**40, 2**40], data_offsets=[0, 0]), "absurd shape", id="absurd but for a 0"
        ),
        pytest.param(_entry(data_offsets=8), "not two counts", id="offsets are a number"),
        pytest.param(_entry(data_offsets=[0, 4, 8]), "not two counts", id="three offsets"),
        pytest.param(_entry(data_offsets=[-8, 0]), "not two counts", id="negative offset"),
        pytest.param(_entry(data_offsets=[0, 8.0]), "not two counts", id="fractional offset"),
        pytest.param(_entry(data_offsets=[8, 0]), "leaves a hole", id="offsets reversed"),
        pytest.param(_entry(data_offsets=[4, 12]), "leaves a hole", id="hole at the start"),
        pytest.param(
            _entry(data_offsets=[0, 4]), "4 bytes; F32 and 2 take 8", id="too few bytes for the shape"
        ),
        pytest.param(_entry(dtype="F16"), "8 bytes; F16 and 2 take 4", id="too many bytes for the dtype"),
        pytest.param(
            _entry(shape=[4], data_offsets=[0, 16]), "8 bytes of data where .* 16", id="past the file"
        ),
        pytest.param(
            _entry(shape=[1], data_offsets=[0, 4]), "8 bytes of data where .* 4", id="data left over"
        ),
        pytest.param(
            {**_PAIR, "b": {**_PAIR["b"], "data_offsets": [3, 7]}}, "overlaps", id="tensors overlap"
        ),
        pytest.param(
            {**_PAIR, "b": {**_PAIR["b"], "data_offsets": [0, 4]}}, "overlaps", id="tensors share their data"
        ),
        pytest.param(
            {**_PAIR, "b": {**_PAIR["b"], "data_offsets": [5, 9]}}, "leaves a hole", id="hole between tensors"
        ),
        pytest.param({"\x1b[31mred": _entry()["a"]}, "unprintable characters", id="escape codes in a name"),
        pytest.param(
            b'{"\\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', "unprintable", id="surrogate"
        ),
        pytest.param({"a." * 32 + "b": _entry()["a"]}, "33 dotted parts", id="name too deep"),
        pytest.param({"a." * 50_000: 3}, r"100,000 characters.*: '(a\.){20}'\.\.\.", id="endless name"),
        pytest.param({"a" * 1_025: _entry()["a"]}, "1,025 characters", id="name too long"),
        pytest.param(
            {"__metadata__": {"format": 1}, **_entry()}, "object of strings", id="metadata not strings"
        ),
        pytest.param({"__metadata__": [], **_entry()}, "object of strings", id="metadata a list"),
    ],
)
def test_a_hostile_header_is_refused_with_a_sentence_and_a_hint(
    content: Any, fault: str, tmp_path: Path
) -> None:
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(file_of(content, 8))
    with pytest.raises(SourceError, match=fault) as caught:
        read_header(path)
    assert caught.value.hint
    assert "hostile.safetensors" in caught.value.message


@pytest.mark.parametrize(
    ("length", "fault"),
    [
        (100_000_001, "declares a header of 100,000,001 bytes"),
        (2**64 - 1, "20,000,000 are read"),
        (17, "is truncated"),
    ],
)
def test_a_header_longer_than_it_may_be_is_never_read(length: int, fault: str) -> None:
    with pytest.raises(SourceError, match=fault):
        parse_header(length.to_bytes(8, "little") + b"{}", file="f", size=24)


def test_what_cannot_be_opened_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read") as caught:
        read_header(tmp_path / "absent.safetensors")
    assert caught.value.hint


def test_the_longest_and_deepest_names_that_are_read() -> None:
    names = ["a" * 1_024, "a." * 31 + "b"]
    read = parse_header(checkpoint({name: ("F32", [2]) for name in names}), file="f")
    assert [tensor.name for tensor in read] == names
