"""A notebook with the outputs that its cells have now, from a kernel of its own."""

import json
import tempfile
from pathlib import Path
from typing import Any

from generator.stage import ROOT, variables

NOTEBOOK = ROOT / "examples" / "notebook.ipynb"

PATIENCE = 600
"""Seconds for one cell."""


def executed(path: Path) -> str:
    """The notebook's text after every cell was run, in order, in an empty folder and without a network.

    Left out is what differs from run to run or belongs to the machine: times, and stderr, where libraries warn. Raises
    nbclient.exceptions.CellExecutionError for a cell that fails.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    with variables({"HF_HUB_OFFLINE": "1"}), tempfile.TemporaryDirectory() as folder:
        NotebookClient(notebook, timeout=PATIENCE, resources={"metadata": {"path": folder}}).execute()
    return _kept(notebook)


def _kept(notebook: Any) -> str:
    """A notebook as Jupyter writes it, texts as lists of lines, without what is left out."""
    import nbformat

    for cell in notebook["cells"]:
        cell["metadata"].pop("execution", None)
        if cell["cell_type"] == "code":
            cell["outputs"] = [output for output in cell["outputs"] if output.get("name") != "stderr"]
    notebook["metadata"]["language_info"] = {"name": "python"}
    text: str = nbformat.writes(notebook)
    return json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n"
