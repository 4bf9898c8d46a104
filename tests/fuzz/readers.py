"""What reads files from strangers, as functions of bytes; and the rules that hold for any bytes whatever.

A case may be answered or refused with an `AnatomyError`. Any other exception, a case that takes more than two seconds
or 200 MB, a file opened outside the given folder, a program started and code compiled or unpickled are faults.
"""

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anatomy.architecture.adapted import count_adapter
from anatomy.architecture.anatomy import count_headers
from anatomy.architecture.facts import facts_from_config, named_dtype, prediction_layers, quantization
from anatomy.architecture.plain import count_plain
from anatomy.architecture.plausible import check_plausible
from anatomy.blueprint import Blueprint, Origin, TensorHeader
from anatomy.documents.show.model import show_document
from anatomy.errors import AnatomyError
from anatomy.render import json as as_json
from anatomy.render.style import Style
from anatomy.source.folder import read_path
from anatomy.source.gguf import parse_gguf
from anatomy.source.gguf_files import blueprint_of
from anatomy.source.jsonfile import parse_object
from anatomy.source.safetensors import parse_header
from anatomy.source.sharded import join_shards, read_weight_map

SECONDS = 2.0
"""Of processor time that a case may take; on a shared machine the clock on the wall says nothing."""
MEMORY_BYTES = 200_000_000
"""Above what the process had before."""

ORIGIN = Origin(kind="file", location="file")


def read_safetensors(data: bytes) -> None:
    """A safetensors file's header, counted and shown."""
    show(Blueprint(id="file", origin=ORIGIN, tensors=parse_header(data, file="file", size=None)))


def read_gguf(data: bytes) -> None:
    """A GGUF file's header, counted and shown."""
    header = parse_gguf(lambda start, end: data[start:end], file="file", size=len(data))
    show(blueprint_of("file", ORIGIN, [header]))


def read_gguf_of_unknown_size(data: bytes) -> None:
    """The same from a server that does not say how long the file is."""
    parse_gguf(lambda start, end: data[start:end], file="file", size=None)


def read_config(data: bytes) -> None:
    """A config, as far as it is read before transformers is imported."""
    config = parse_object(data, what="config.json")
    facts_from_config(config)
    named_dtype(config)
    quantization(config)
    prediction_layers(config)
    check_plausible(config)


def read_index(data: bytes) -> None:
    """The index of a checkpoint in shards, whose files store what it says and one tensor more."""
    weight_map = read_weight_map(parse_object(data, what="index"), what="index")
    shards: dict[str, tuple[TensorHeader, ...]] = dict.fromkeys(weight_map.values(), ())
    for tensor, file in weight_map.items():
        shards[file] += (TensorHeader(name=tensor, dtype="BF16", shape=(2, 2), file=file),)
    join_shards(weight_map, shards, what="index")


FILES = (
    "config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "shard.safetensors",
    "model.gguf",
)
FILES += ("adapter_config.json", "adapter_model.safetensors")
SEPARATOR = b"\xff\xfe\xfd"


def read_folder(data: bytes) -> None:
    """A folder of some of these files, or of links of their names: one part of the data each, the first byte says which.

    An adapter's base is not looked for: that is a model which it names, and may lie elsewhere.
    """
    with tempfile.TemporaryDirectory(dir=_memory()) as name:
        folder = Path(name) / "model"
        folder.mkdir()
        for part in data.split(SEPARATOR):
            if part:
                file = folder / FILES[part[0] % len(FILES)]
                if file.exists() or file.is_symlink():
                    continue
                if part[0] & 0x80:
                    file.symlink_to(os.fsdecode(part[1:50].replace(b"\0", b"")) or "/etc/passwd")
                else:
                    file.write_bytes(part[1:])
        with watched(folder):
            blueprint = read_path(folder)
            if blueprint.config is not None:
                check_plausible(blueprint.config)
                count_plain(blueprint)
            if blueprint.tensors or blueprint.adapter is not None:
                show(blueprint)


def show(blueprint: Blueprint) -> None:
    adapter = blueprint.adapter
    counted = count_headers(blueprint) if adapter is None else count_adapter(blueprint, adapter)
    as_json.render(show_document(counted), Style())


READERS: Mapping[str, Callable[[bytes], None]] = {
    "safetensors": read_safetensors,
    "gguf": read_gguf,
    "gguf-unsized": read_gguf_of_unknown_size,
    "config": read_config,
    "index": read_index,
    "folder": read_folder,
}


@dataclass
class _Watch:
    """What an audit hook, which can never be taken away again, looks at."""

    folder: str | None = None
    """The folder that may be touched; None while anything may."""


_watch = _Watch()
_RUNS = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "compile",
    "exec",
    "pickle.find_class",
)
_TOUCHES = ("open", "os.listdir", "os.scandir", "os.remove", "os.rename", "os.mkdir", "os.link", "os.symlink")
_TOUCHES += ("os.truncate", "os.chmod", "os.rmdir", "shutil.rmtree", "socket.connect")


class ForbiddenError(BaseException):
    """Not an Exception, so that nothing under test can swallow it."""


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _watch.folder is None:
        return
    if event in _RUNS:
        raise ForbiddenError(f"{event}: {arguments[:1]}")
    if event in _TOUCHES:
        place = arguments[0]
        real = (
            os.path.realpath(os.fsdecode(place))
            if isinstance(place, str | bytes | os.PathLike)
            else str(place)
        )
        if real != _watch.folder and not real.startswith(_watch.folder + os.sep):
            raise ForbiddenError(f"{event}: {real}")


sys.addaudithook(_audit)


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Nothing outside `folder` may be touched, and nothing run, meanwhile."""
    _watch.folder = os.path.realpath(folder)
    try:
        yield
    finally:
        _watch.folder = None


def attempt(reader: Callable[[bytes], None], data: bytes) -> bool:
    """Whether the case was answered; raises what breaks the rules."""
    begun = time.process_time()
    try:
        reader(data)
        answered = True
    except AnatomyError as error:
        _check_sentence(error)
        answered = False
    spent = time.process_time() - begun
    if spent > SECONDS:
        raise ForbiddenError(f"the case took {spent:.1f} s")
    return answered


def _check_sentence(error: AnatomyError) -> None:
    """What a terminal shows and does not obey, and not the whole file back."""
    if not error.message.replace("\n", " ").isprintable() or len(error.message) > 4_000:
        raise ForbiddenError(f"no sentence: {error.message[:300]!r}")


def peak_bytes() -> int:
    """The most memory that this process has had (of itself: what its parent had is not in it)."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return 1024 * int(found[1]) if found else 0


def _memory() -> str | None:
    """Where files cost no disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def seeds() -> dict[str, list[bytes]]:
    """Valid files, small enough to change in every place."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "source"))
    from checkpoints import checkpoint, header, index
    from gguf_files import LLAMA, gguf, llama, vocabulary

    tiny = checkpoint({"model.layers.0.mlp.up_proj.weight": ("BF16", [2, 2]), "lm_head.weight": ("F32", [2])})
    quantized = {"a.qweight": ("U8", [4, 2]), "a.qzeros": ("U8", [1, 2]), "a.scales": ("F16", [1, 4])}
    config = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "torch_dtype": "bfloat16",
        "text_config": {"hidden_size": 32, "layer_types": ["full_attention", "sliding_attention"]},
        "quantization_config": {"quant_method": "gptq", "bits": 4},
    }
    small = [("blk.0.attn_q.weight", "F32", [4, 4]), ("blk.0.ffn_up.weight", "Q8_0", [32, 2])]
    short = {"general.architecture": "llama", "llama.block_count": 1, "general.file_type": 7, "a": [1, 2]}
    listed = index({"w": "shard.safetensors"})
    shard = checkpoint({"w": ("BF16", [2, 2])})
    adapter = {
        "peft_type": "LORA",
        "r": 8,
        "target_modules": ["q_proj"],
        "base_model_name_or_path": "../../x",
    }
    weights = checkpoint({"base_model.model.q_proj.lora_A.weight": ("F32", [8, 4])})
    files = [
        json.dumps(config).encode(),
        tiny,
        listed,
        shard,
        gguf(short, small),
        json.dumps(adapter).encode(),
        weights,
    ]
    return {
        "safetensors": [tiny, checkpoint(quantized), header({"__metadata__": {"format": "pt"}})],
        "gguf": [
            gguf(LLAMA, llama(layers=1)),
            gguf({**LLAMA, **vocabulary(5)}, [("a", "F32", [2])], order=">"),
        ],
        "gguf-unsized": [gguf({**short, **vocabulary(5)}, llama(layers=1), data=False, version=2)],
        "config": [files[0], b"{" + b'"a_config":{' * 150 + b"}" * 151],
        "index": [listed, index({"w": "../../x.safetensors", "v": "/etc/passwd"})],
        "folder": [
            SEPARATOR.join(bytes([number]) + file for number, file in enumerate(files) if number in chosen)
            for chosen in ((0, 1), (0, 2, 3), (4,), (5, 6), (2,))
        ]
        + [bytes([0x80 | 2]) + b"/etc/passwd" + SEPARATOR + bytes([0x80]) + b"../../x"],
    }
