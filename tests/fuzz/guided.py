"""Coverage-guided fuzzing of the readers, out of the test suite: `python tests/fuzz/guided.py --cases 1000000`.

Needs atheris (https://github.com/google/atheris; `pip install atheris`), which puts libFuzzer under Python code. Each
reader is fuzzed in a process of its own. A case that breaks a rule (see readers.py) ends its process and is left in the
folder that `--keep` names. The last line says how many cases there were.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent

WORDS = (
    *(
        "dtype",
        "shape",
        "data_offsets",
        "BF16",
        "F4",
        "U8",
        "__metadata__",
        "weight_map",
        ".safetensors",
        "../",
    ),
    *(
        "model_type",
        "text_config",
        "quantization_config",
        "layer_types",
        "num_hidden_layers",
        "GGUF",
        "split.count",
    ),
    *(
        "general.architecture",
        "general.alignment",
        "general.file_type",
        ".weight",
        "blk.0.",
        "qweight",
        "scales",
    ),
    *(
        "attention.kv_lora_rank",
        "base_model_name_or_path",
        "peft_type",
        "rank_pattern",
        "[[[[",
        "{}",
        "1e999",
        "NaN",
    ),
)
"""What the readers look for: libFuzzer would take long to spell it."""

SHARES = {"safetensors": 4, "gguf": 4, "gguf-unsized": 3, "config": 4, "index": 3, "folder": 2}
"""Parts of all cases that each reader gets: a folder takes ten times as long as bytes in memory."""


def main() -> None:
    """Fuzz every reader, or one of them with --reader."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000, help="of all readers together")
    parser.add_argument("--seconds", type=int, default=3_600, help="at most, for each reader")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="where faults are left")
    parser.add_argument("--only", nargs="*", choices=sorted(SHARES), default=sorted(SHARES))
    parser.add_argument("--reader", help=argparse.SUPPRESS)
    options, rest = parser.parse_known_args()
    if options.reader:
        fuzz(options.reader, rest)
        return
    options.keep.mkdir(parents=True, exist_ok=True)
    total, failed = 0, 0
    for name in options.only:
        cases = options.cases * SHARES[name] // sum(SHARES[reader] for reader in options.only)
        done, code, said = run(name, cases, options.seconds, options.keep)
        total, failed = total + done, failed + bool(code)
        print(f"{name:13} {done:>9,} cases, exit {code}", flush=True)
        if code:
            print(said[-4_000:], flush=True)
    print(f"{total:,} cases, {failed} readers with a fault")
    sys.exit(1 if failed else 0)


def run(name: str, cases: int, seconds: int, keep: Path) -> tuple[int, int, str]:
    """(cases, exit code, what was said) of one reader, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        words = Path(folder) / "words"
        words.write_text("".join('"' + word.replace('"', '\\"') + '"\n' for word in WORDS))
        settings = [f"-runs={cases}", f"-max_total_time={seconds}", f"-dict={words}", "-timeout=30"]
        settings += [
            "-rss_limit_mb=0",
            "-max_len=4096",
            f"-artifact_prefix={keep}/{name}-",
            "-print_final_stats=1",
        ]
        command = [sys.executable, str(HERE / "guided.py"), "--reader", name, *settings]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    counted = re.findall(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    return int(counted[-1]) if counted else 0, done.returncode, done.stdout + done.stderr


def fuzz(name: str, settings: list[str]) -> None:
    """Fuzz one reader in this process, until a case breaks a rule or there have been enough; does not return."""
    import atheris

    sys.path.insert(0, str(HERE.parents[1]))
    with atheris.instrument_imports(include=["anatomy", "json"]):
        import readers
    corpus = tempfile.mkdtemp()
    for number, seed in enumerate(readers.seeds()[name]):
        (Path(corpus) / f"{number}").write_bytes(seed)
        readers.attempt(readers.READERS[name], seed)  # what is imported on demand is imported now
    before = readers.peak_bytes()
    # A process that grows by gigabytes is ended, not the machine.
    resource.setrlimit(resource.RLIMIT_DATA, (before + 4 * readers.MEMORY_BYTES, resource.RLIM_INFINITY))

    def one_case(data: bytes) -> None:
        readers.attempt(readers.READERS[name], data)
        if (grown := readers.peak_bytes() - before) > readers.MEMORY_BYTES:
            raise readers.ForbiddenError(f"the process grew by {grown:,} bytes")

    atheris.Setup([sys.argv[0], *settings, corpus], one_case)
    atheris.Fuzz()


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
