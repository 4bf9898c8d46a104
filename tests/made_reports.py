"""Reports made by hand, and one of a tiny model that was really planned: made once for all tests of a process."""

import json
import tempfile
from functools import cache
from pathlib import Path

from tiny_models import TINY_LLAMA

from anatomy.documents.document import Document


@cache
def tiny_report() -> Document:
    """The report of a LoRA run of the tiny Llama."""
    from anatomy import api

    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "tiny_llama"
        model.mkdir()
        (model / "config.json").write_text(json.dumps(TINY_LLAMA))
        return api.report(model, method="lora", r=8, precision="fp32", batch_size=2, seq_len=64)
