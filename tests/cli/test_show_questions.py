"""The questions of `anatomy show`, in every format."""

import csv
import io
import json

import pytest


@pytest.mark.parametrize("format_", ["table", "md", "csv", "json"])
def test_formats(run, tiny_llama, format_):
    code, out, err = run("show", tiny_llama, "--formats", "--format", format_)
    assert (code, err) == (0, "")
    if format_ == "json":
        data = json.loads(out)
        sizes = {row["name"]: row for row in data["formats"]}
        assert sizes["fp32"]["bytes"] == 4 * data["parameters"]["total"]
        assert data["tree"]  # what `show` says stands beside
    elif format_ == "csv":
        rows = {row["format"]: row for row in csv.DictReader(io.StringIO(out))}
        assert int(rows["bf16"]["bytes"]) * 2 == int(rows["fp32"]["bytes"])
        assert float(rows["gguf F16"]["bits_per_weight"]) > 16  # norms stay in 32 bits
    else:
        assert "Formats" in out
        assert "gguf Q4_K_M" in out
        assert "Modules" not in out


@pytest.mark.parametrize("format_", ["table", "md", "csv", "json"])
def test_kv_cache(run, tiny_llama, format_):
    """Two layers, two heads of 16: 2 x 2 x 2 x 16 numbers a token."""
    args = ("--kv-cache", "--context", "64", "--batch", "3", "--format", format_)
    code, out, err = run("show", tiny_llama, *args)
    assert (code, err) == (0, "")
    if format_ == "json":
        cache = json.loads(out)["kv_cache"]
        assert cache["token_bytes"] == 2 * 128
        assert cache["bytes"] == 3 * 64 * 256
        assert {row["cache_dtype"] for row in cache["by_dtype"]} == {"fp32", "bf16", "fp8", "int8", "int4"}
        assert all(gpu["fits"] for gpu in cache["gpus"])
    elif format_ == "csv":
        rows = {row["cache_dtype"]: row for row in csv.DictReader(io.StringIO(out))}
        assert int(rows["fp32"]["bytes"]) == 3 * 64 * 512
    else:
        assert "Weights and cache on GPUs" in out


def test_formats_and_cache_together(run, tiny_llama):
    code, out, _ = run("show", tiny_llama, "--formats", "--kv-cache", "--json")
    assert code == 0
    assert {"formats", "kv_cache", "tree"} <= json.loads(out).keys()


def test_an_option_without_its_question_is_refused(run, tiny_llama):
    code, out, err = run("show", tiny_llama, "--context", "64")
    assert (code, out) == (2, "")
    assert "--context belongs to --kv-cache" in err


def test_an_unknown_format_of_a_cache_is_refused(run, tiny_llama):
    code, _, err = run("show", tiny_llama, "--kv-cache", "--cache-dtype", "fp3")
    assert code == 2
    assert "fp3" in err
    assert "int4" in err
