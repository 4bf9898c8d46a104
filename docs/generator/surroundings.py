"""docs/reference/: what surrounds a run. GPUs, files that are read and written, environment variables."""

from importlib.resources import files as resources

from anatomy.hardware.catalog import Gpu, all_gpus
from anatomy.hardware.context import context_for
from anatomy.plots import FORMS
from anatomy.render import FORMATS
from anatomy.render.export import ENDINGS
from anatomy.source.folder import FILE_SUFFIXES
from anatomy.source.pickles import SUFFIXES as PICKLES
from anatomy.trainers.kinds import OWN, TRAINERS
from anatomy.units import MIB
from generator.markdown import NOTICE, code, codes, joined, plain, table


def gpus() -> str:
    """docs/reference/gpus.md."""
    heads = ("GPU", "also", "memory:", "read by", "capability:", "SMs or CUs:", "bf16", "context:", "source")
    return joined(
        NOTICE,
        "# GPUs",
        "The catalog onto which `anatomy plan` fits a run, the smallest memory first; MiB are 2^20 bytes. **Memory** is what "
        "one process can allocate, as torch or nvidia-smi reported it in a public log; 'nominal' is the figure on the box, of "
        "which less is usable. **Context** is what the CUDA context and libraries are assumed to take of it. Capability is "
        "CUDA's compute capability, or AMD's target. `anatomy gpus` prints the same.",
        table(heads, map(_gpu, all_gpus())),
        "## What the context takes",
        "Device memory outside torch's allocator, in MiB. Nobody specifies it: these are assumptions.",
        table(("capability", "assumed:", "least:", "most:", "source"), _contexts()),
        "## To add one",
        "A `[[gpu]]` in `anatomy/hardware/gpus.toml`, with where its memory figure was published, then `make reference`.",
    )


def _gpu(gpu: Gpu) -> tuple[str, ...]:
    return (
        gpu.name,
        plain(", ".join(gpu.aliases)),
        f"{gpu.memory_bytes // MIB:,}",
        gpu.read_from,
        gpu.compute_capability,
        str(gpu.multiprocessors),
        "yes" if gpu.bf16 else "no",
        f"{gpu.context_bytes // MIB:,}",
        plain(gpu.source),
    )


def _contexts() -> list[tuple[str, ...]]:
    """A row for each capability whose figure was published, and one for all others."""
    others = context_for("")
    found = {gpu.compute_capability: context_for(gpu.compute_capability) for gpu in all_gpus()}
    known = {capability: context for capability, context in sorted(found.items()) if context != others}
    return [
        (
            name,
            *(f"{size // MIB:,}" for size in (context.bytes, context.low_bytes, context.high_bytes)),
            plain(context.source),
        )
        for name, context in {**known, "all others": others}.items()
    ]


def files() -> str:
    """docs/reference/files.md."""
    return joined(
        NOTICE,
        "# Files",
        "## What names a model",
        "In this order: a path that exists, the hub's cache on this machine, the catalog, the hub. Weights are never read: of "
        "a checkpoint its headers alone.",
        table(
            ("written as", "what is read"), ((code(name), plain(said)) for name, said in _models().items())
        ),
        "## What describes a run",
        table(("flag", "file"), ((code(name), said) for name, said in _runs().items())),
        "`--config` says whose file it is by its keys; `--config-kind` says it where several would do. Every key of these "
        "has a fate: it makes a setting, has no effect on memory, or is not modelled, with what it would change.",
        table(
            ("`--config-kind`", "trainer", "whose keys and defaults", "keys known:"),
            (
                *((code(t.kind), t.name, t.version, str(len(t.known))) for t in TRAINERS.values()),
                (code(OWN), "a recipe", "[its settings](recipe.md)", ""),
            ),
        ),
        "## What is written",
        table(("flag", "file"), ((code(name), said) for name, said in _written())),
        "## Grids",
        "What `anatomy validate` runs: a TOML file. `anatomy validate cpu --print-grid` writes one to start from. Shipped are "
        + codes(_grids())
        + ".",
    )


def _models() -> dict[str, str]:
    """How a model can be named -> what is read of it. An ending that is read and not said here is a KeyError."""
    said = {
        ".safetensors.index.json": "the headers of all its shards",
        ".bin.index.json": "refused: an index of pickles",
        ".json": "a config",
        ".safetensors": "its header; the config beside it where there is one",
        ".gguf": "its header: metadata and tensor types",
        **dict.fromkeys(PICKLES, "refused: a pickle can run code when it is opened"),
    }
    by_ending: dict[str, list[str]] = {}
    for suffix in FILE_SUFFIXES:
        by_ending.setdefault(said[suffix], []).append(f"*{suffix}")
    return {
        "organisation/name": "the hub's config and headers, by range requests; `@REVISION` or `--revision` names a branch, "
        "tag or commit",
        "organisation/name:FILE.gguf": "a GGUF file of a hub's repository, also by a word in its name: `:Q4_K_M`",
        "FOLDER": "config.json, *.safetensors or *.gguf in it; adapter_config.json: a PEFT adapter, shown on its base",
        **{", ".join(names): text for text, names in by_ending.items()},
        "FILE.py:NAME": "a file of your own, which is run: NAME() returns the torch.nn.Module, inputs() the arguments of a "
        "step, loss(outputs) its loss where the outputs hold none",
    }


def _runs() -> dict[str, str]:
    return {
        "--recipe": "TOML with the names of [a recipe's settings](recipe.md); `--print-recipe` writes it",
        "--config": "a trainer's own file, YAML or JSON",
        "--peft-config": "an adapter_config.json of PEFT",
        "--lengths": "text, one number of tokens a line: the dataset's examples",
        "profile --open": "a run that `profile --save` kept, with its prediction; no torch is needed",
        "validate --from": "a folder of such runs",
    }


def _written() -> list[tuple[str, str]]:
    exports = {".pickle": "a PyTorch memory snapshot", ".json": "a Chrome trace with counters, for Perfetto"}
    return [
        ("-o, --output", f"the answer; --format {', '.join(FORMATS)}, or by the file's ending"),
        ("--plot", f"a picture: {', '.join(f'.{form}' for form in FORMS)}"),
        ("--export", "; ".join(f"{ending}: {exports[ending]}" for ending in ENDINGS)),
        ("profile --save", "the run: .json, or .json.xz"),
    ]


def _grids() -> list[str]:
    """The shipped grids by name."""
    folder = resources("anatomy.validation") / "grids"
    names = (entry.name for entry in folder.iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


VARIABLES = {
    "ANATOMY_DEBUG": "1: a traceback beside an error, and the libraries' own remarks",
    "NO_COLOR": "set: no colour, whatever the terminal; wins over FORCE_COLOR",
    "FORCE_COLOR": "set: colour where the output is no terminal",
    "TERM": "dumb: no colour",
    "COLUMNS": "the width of a table that goes into a file or a pipe; 100 when left out",
    "SHELL": "the shell of `anatomy completion` without an argument",
    "PYTORCH_ALLOC_CONF": "recorded by `profile`, as torch's allocator obeys it",
    "PYTORCH_CUDA_ALLOC_CONF": "the same under its older name",
    "CUDA_VISIBLE_DEVICES": "the GPU that `profile` asks the driver about is the first of these",
    "HF_TOKEN": "asks the hub with this token; so do HUGGING_FACE_HUB_TOKEN and `hf auth login`",
    "HUGGING_FACE_HUB_TOKEN": "HF_TOKEN's older name",
    "HF_OIDC_RESOURCE": "a token by OpenID Connect, as huggingface_hub gets it",
}
"""Environment variable that the code reads -> what it does."""
LIBRARIES = {
    "HF_HUB_OFFLINE": "1: no hub is asked, as with `--offline`",
    "HF_ENDPOINT": "another hub's address",
    "HF_HOME": "where the hub's cache and token are",
}
"""Those that huggingface_hub reads, and that matter here."""


def environment() -> str:
    """docs/reference/environment.md."""
    rows = [(code(name), said) for name, said in VARIABLES.items()]
    return joined(
        NOTICE,
        "# Environment variables",
        table(("variable", "what it does"), rows),
        "huggingface_hub's own are obeyed as well, among them:",
        table(("variable", "what it does"), ((code(name), said) for name, said in LIBRARIES.items())),
    )
