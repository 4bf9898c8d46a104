"""GGUF headers: against files written by hand, and against llama.cpp's own writer and reader (gguf-py)."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from gguf_files import LLAMA, TYPES, gguf, llama, text, value, vocabulary
from loopback_hub import COMMIT, PACKAGE_ROOT, LoopbackHub

from anatomy import ggml
from anatomy.errors import SourceError
from anatomy.source import load
from anatomy.source.gguf import Long, parse_gguf, read_gguf
from anatomy.source.gguf_config import FILE_TYPES


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.gguf"


def parsed(data: bytes, size: int | None = None):
    return parse_gguf(
        lambda start, end: data[start:end], file="x.gguf", size=len(data) if size is None else size
    )


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("version", [2, 3])
def test_tensors_and_metadata_in_either_byte_order(path, version, order):
    path.write_bytes(gguf({**LLAMA, **vocabulary(100)}, llama(), version=version, order=order))
    header = read_gguf(path)
    assert (header.version, header.big_endian) == (version, order == ">")
    assert header.metadata["general.architecture"] == "llama"
    assert header.metadata["llama.rope.freq_base"] == 10000.0
    assert header.metadata["tokenizer.ggml.merges"] == Long(length=200)
    assert header.metadata["tokenizer.ggml.token_type"] == tuple(range(100))
    assert [(t.name, t.dtype, t.shape[::-1]) for t in header.tensors] == [
        (name, kind, tuple(sizes)) for name, kind, sizes in llama()
    ]
    for tensor in header.tensors:
        _, block, size = TYPES[tensor.dtype]
        assert tensor.stored_bytes == tensor.elements // block * size


@pytest.mark.parametrize("order", ["LITTLE", "BIG"])
def test_llama_cpp_s_own_reader_reads_the_same(path, order):
    package = pytest.importorskip("gguf", reason="the independent reader")
    numpy = pytest.importorskip("numpy")
    writer = package.GGUFWriter(path, "llama", endianess=package.GGUFEndian[order])
    writer.add_block_count(3)
    writer.add_head_count_kv([4, 8, 4])
    writer.add_token_list([f"t{i}" for i in range(50)])
    writer.add_chat_template("{{ messages }}" * 2_000)
    kinds = [kind for kind in package.GGML_QUANT_SIZES if kind.name != "Q8_1"]  # for activations, in no file
    bytes_ = numpy.dtype("uint8")
    for kind in kinds:
        _, size = package.GGML_QUANT_SIZES[kind]
        writer.add_tensor_info(f"blk.0.{kind.name}.weight", (3, 2 * size), bytes_, 6 * size, raw_dtype=kind)
    writer.open_output_file()
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for kind in kinds:
        writer.write_tensor_data(numpy.zeros(6 * package.GGML_QUANT_SIZES[kind][1], dtype=numpy.uint8))
    writer.close()
    ours, theirs = read_gguf(path), package.GGUFReader(path)
    assert [(t.name, t.dtype, list(t.shape), t.stored_bytes) for t in ours.tensors] == [
        (t.name, t.tensor_type.name, t.shape.tolist()[::-1], t.n_bytes) for t in theirs.tensors
    ]
    assert len(ours.tensors) == len(kinds)
    assert ours.metadata["llama.attention.head_count_kv"] == (4, 8, 4)
    assert ours.metadata["tokenizer.chat_template"] == Long(length=28_000)
    assert ours.metadata.keys() == {key for key in theirs.fields if not key.startswith("GGUF.")}


def test_types_and_file_types_are_those_of_llama_cpp():
    package = pytest.importorskip("gguf", reason="the tables are gguf-py's")
    ours = {kind.id: (kind.name, kind.block, kind.block_bytes) for kind in ggml.GGML_TYPES}
    theirs = {int(kind): (kind.name, *sizes) for kind, sizes in package.GGML_QUANT_SIZES.items()}
    # gguf-py still has the size that block_q8_1 had with two floats; ggml-common.h has halves now.
    assert theirs.pop(9) == ("Q8_1", 32, 40)
    assert ours.pop(9) == ("Q8_1", 32, 36)
    assert theirs.items() <= ours.items()  # ours may have a type that is newer than the package
    names = {
        int(kind): kind.name.removeprefix("ALL_").removeprefix("MOSTLY_") for kind in package.LlamaFileType
    }
    assert {number: names[number] for number in FILE_TYPES} == FILE_TYPES


_MEASURE = """
import json, re, sys, time
from pathlib import Path
from anatomy.source.gguf import read_gguf
begun = time.process_time()
header = read_gguf(Path(sys.argv[1]))
spent = time.process_time() - begun
names = [name for name in ("torch", "transformers", "numpy", "gguf") if name in sys.modules]
peak = 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
print(json.dumps([len(header.tensors), spent, peak, names]))
"""


def test_a_vocabulary_of_128k_tokens_is_stepped_over(path):
    """131,072 tokens and 262,144 merges, 9 MB: half a second and 60 MB at most, with nothing imported for it."""
    path.write_bytes(gguf({**LLAMA, **vocabulary(131_072)}, llama()))
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(path)],
        cwd=PACKAGE_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    tensors, seconds, peak, imported = json.loads(done.stdout)
    assert tensors == len(llama())
    assert seconds < 0.5
    assert peak < 60_000_000
    assert imported == []


def test_no_more_is_read_than_a_header(path):
    """A file of 200 GB: its data has room on no disk."""
    tensors = [("blk.0.ffn_down_exps.weight", "F16", [100_000, 1_000_000])]
    head = gguf(LLAMA, tensors, data=False)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + 2 * 10**11)
    assert read_gguf(path).tensors[0].stored_bytes == 2 * 10**11


VALID = gguf(LLAMA, llama(layers=1))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "truncated"),
        (b"GGUF", "truncated"),
        (b"GGML" + VALID[4:], "does not begin with 'GGUF'"),
        (VALID[:4] + struct.pack("<I", 1) + VALID[8:], "version 1"),
        (VALID[:8] + struct.pack("<Q", 1 << 40) + VALID[16:], "1,099,511,627,776 tensors"),
        (VALID[:16] + struct.pack("<Q", 1 << 63) + VALID[24:], "metadata entries"),
        (VALID[:100], "truncated"),
        (VALID[:-1], "truncated"),
        (gguf({"k" * 2_000: 1}, []), "metadata key of 2,000 bytes"),
        (gguf({"general.alignment": 0}, []), "not a power of two: 0"),
        (gguf({"general.alignment": "x"}, []), "not a power of two: 'x'"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + 2 * (text("a") + value(1)), "gives 'a' twice"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a") + struct.pack("<I", 99), "unknown type 99"),
        (
            b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a") + struct.pack("<IIQ", 9, 9, 1),
            "array of arrays",
        ),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a") + struct.pack("<IIQ", 9, 8, 1 << 62), "strings"),
        (
            b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a") + struct.pack("<IIQ", 9, 5, 1 << 62),
            "truncated",
        ),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a") + struct.pack("<IQ", 8, 1 << 63), "truncated"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text(b"\xff\xfe") + value(1), "not UTF-8"),
        (gguf(LLAMA, [("a", "F32", [2]), ("a", "F32", [2])]), "'a' twice"),
        (gguf(LLAMA, [("a\x07", "F32", [2])]), "unprintable"),
        (gguf(LLAMA, [("a." * 200, "F32", [2])]), "dotted parts"),
        (gguf(LLAMA, [("a", "F32", [1, 1, 1, 1, 1])]), "5 dimensions"),
        (gguf(LLAMA, [("a", "F32", [1 << 62, 1 << 62])], data=False), "absurd shape"),
        (gguf(LLAMA, [("a", "Q4_K", [128, 2])]), "rows of 128"),
        (gguf(LLAMA, [("a", "F32", [9]), ("b", "F32", [2])], alignment=4), "not aligned"),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
def test_every_fault_is_a_sentence(data, said):
    with pytest.raises(SourceError, match=r"x\.gguf ") as caught:
        parsed(data)
    assert said in caught.value.message
    assert caught.value.hint


def test_overlapping_tensors_are_refused():
    data = bytearray(gguf({}, [("a", "F32", [16]), ("b", "F32", [16])]))
    at = data.index(b"b", data.index(b"a") + 1) + 1 + 4 + 8 + 4
    data[at : at + 8] = struct.pack("<Q", 32)
    with pytest.raises(SourceError, match="inside the tensor before it"):
        parsed(bytes(data))


@pytest.mark.parametrize("cut", range(0, 1_500, 7))
def test_no_truncation_is_believed(cut):
    with pytest.raises(SourceError):
        parsed(VALID[:cut])


def test_the_config_has_the_metadata_s_numbers(path):
    path.write_bytes(gguf(LLAMA, llama()))
    blueprint = load(str(path))
    assert blueprint.config == {
        "model_type": "llama",
        "num_hidden_layers": 2,
        "max_position_embeddings": 128,
        "hidden_size": 256,
        "intermediate_size": 512,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 32,
        "vocab_size": 512,
        "tie_word_embeddings": False,
    }
    assert blueprint.names == "gguf"
    assert blueprint.notes[0] == "GGUF version 3: architecture 'llama', quantized as Q4_K_M."


def test_an_architecture_without_a_class_of_ours_is_read_all_the_same(path):
    path.write_bytes(gguf({"general.architecture": "novel", "novel.block_count": 2}, llama()))
    blueprint = load(str(path))
    assert blueprint.config == {"num_hidden_layers": 2, "vocab_size": 512, "tie_word_embeddings": False}
    assert "architecture 'novel'" in blueprint.notes[0]


def write_parts(folder: Path, count: int = 3) -> list[Path]:
    tensors = llama()
    size = -(-len(tensors) // count)
    paths = []
    for number in range(count):
        own = {"split.no": number, "split.count": count, "split.tensors.count": len(tensors)}
        part = folder / f"tiny-{number + 1:05d}-of-{count:05d}.gguf"
        part.write_bytes(gguf({**(LLAMA if not number else {}), **own}, tensors[number * size :][:size]))
        paths.append(part)
    return paths


@pytest.mark.parametrize("named", [0, 1, 2])
def test_any_part_names_the_whole_model(tmp_path, named):
    blueprint = load(str(write_parts(tmp_path)[named]))
    assert blueprint.tensors is not None
    assert {tensor.name for tensor in blueprint.tensors} == {name for name, _, _ in llama()}
    assert len({tensor.file for tensor in blueprint.tensors}) == 3


def test_a_missing_part_is_named(tmp_path):
    parts = write_parts(tmp_path)
    parts[1].unlink()
    with pytest.raises(SourceError, match=r"tiny-00002-of-00003\.gguf cannot be read"):
        load(str(parts[0]))


def test_parts_must_add_up_to_what_the_first_says(tmp_path):
    parts = write_parts(tmp_path)
    parts[2].write_bytes(gguf({}, llama()[:1]))
    with pytest.raises(SourceError, match="its first part counts 21"):
        load(str(parts[0]))


def test_a_folder_of_one_model_is_that_model(tmp_path):
    write_parts(tmp_path)
    assert len(load(str(tmp_path)).tensors or ()) == len(llama())


def test_a_folder_of_several_asks_for_one(tmp_path):
    write_parts(tmp_path)
    (tmp_path / "tiny-Q8_0.gguf").write_bytes(VALID)
    with pytest.raises(SourceError, match=r"holds 2 GGUF models: tiny-00001-of-00003\.gguf, tiny-Q8_0\.gguf"):
        load(str(tmp_path))


def test_a_vocabulary_alone_is_no_model(path):
    path.write_bytes(gguf(LLAMA, []))
    with pytest.raises(SourceError, match="stores no tensors"):
        load(str(path))


@pytest.mark.parametrize("file", ["tiny-Q4_K_M.gguf", "q4_k_m", "Q4_K_M"])
def test_a_file_on_the_hub_is_read_by_range(hub: LoopbackHub, file):
    folder = hub.repository("org/tiny-GGUF")
    head = gguf({**LLAMA, **vocabulary(40_000)}, llama(), data=False)
    with (folder / "tiny-Q4_K_M.gguf").open("wb") as written:
        written.write(head)
        written.truncate(len(head) + 10**10)
    (folder / "tiny-Q8_0.gguf").write_bytes(VALID)
    answer = hub.load(f"org/tiny-GGUF:{file}")
    assert [tensor["name"] for tensor in answer["tensors"]] == [name for name, _, _ in llama()]
    assert answer["origin"]["location"] == "org/tiny-GGUF:tiny-Q4_K_M.gguf"
    assert answer["origin"]["revision"] == COMMIT
    assert hub.served_bytes < 4 * len(head)
    assert answer["config"]["hidden_size"] == 256


def test_a_repository_of_gguf_files_lists_them(hub: LoopbackHub):
    folder = hub.repository("org/tiny-GGUF")
    for name in ("tiny-Q4_K_M.gguf", "tiny-Q8_0.gguf"):
        (folder / name).write_bytes(VALID)
    refused = hub.load("org/tiny-GGUF")
    said = refused["error"]
    assert refused["hint"] == "name one of its GGUF files, e.g. org/tiny-GGUF:tiny-Q4_K_M.gguf"
    assert "each named as org/tiny-GGUF:FILE: tiny-Q4_K_M.gguf, tiny-Q8_0.gguf" in said
    assert "no GGUF file 'Q2_K'" in hub.load("org/tiny-GGUF:Q2_K")["error"]
    several = hub.load("org/tiny-GGUF:tiny")
    assert "holds 2 GGUF models" in several["error"]
    assert several["hint"] == "name one of them, e.g. org/tiny-GGUF:tiny-Q4_K_M.gguf"


def test_a_cached_file_needs_no_network(hub: LoopbackHub):
    cache = hub.home / "hub" / "models--org--tiny-GGUF"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text(COMMIT)
    (cache / "blobs").mkdir()
    (cache / "blobs" / "digest").write_bytes(VALID)
    (cache / "snapshots" / COMMIT).mkdir(parents=True)
    (cache / "snapshots" / COMMIT / "tiny.gguf").symlink_to("../../blobs/digest")
    answer = hub.load("org/tiny-GGUF:tiny.gguf", {"HF_HUB_OFFLINE": "1"})
    assert answer["origin"]["kind"] == "cache"
    assert hub.requests == []


@pytest.mark.parametrize(
    "reference", ["org/name:../x.gguf", "org/name:/etc/x.gguf", "https://x/y.gguf", "c:\\x.gguf"]
)
def test_what_names_no_file_of_a_repository_is_refused(reference):
    with pytest.raises(SourceError) as caught:
        load(reference)
    assert caught.value.hint
