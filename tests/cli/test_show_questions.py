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
