"""Importing the libraries without touching CUDA: on a torch that says it has a GPU, and raises when one is asked."""

import subprocess
import sys

import pytest

from anatomy.profiling.cells import preload
from anatomy.profiling.cells.preload import ask_capabilities, parse_capabilities

ON_A_GPU = """
import os, stat, sys, tempfile
folder = tempfile.mkdtemp()
tool = os.path.join(folder, "nvidia-smi")
with open(tool, "w") as file:
    file.write("#!/bin/sh\\necho " + sys.argv[1])
os.chmod(tool, 0o700)
os.environ["PATH"] = folder + ":" + os.environ["PATH"]

import torch
def touched(*args, **kwargs):
    sys.stderr.write("CUDA WAS TOUCHED\\n")
    raise RuntimeError("CUDA was touched")
torch.cuda.is_available = lambda: True
torch.cuda.device_count = lambda: 1
torch.cuda._lazy_init = torch.cuda.get_device_properties = touched
real = torch.cuda.get_device_capability = lambda device=None: touched()
torch.version.cuda = "13.0"
torch._C._cuda_getCurrentRawStream = touched  # a build without CUDA lacks it

from anatomy.profiling.cells.preload import import_libraries
import_libraries()
print("peft" in sys.modules, "bitsandbytes" in sys.modules, "transformers" in sys.modules)
print(torch.cuda.get_device_capability is real)
if "bitsandbytes" in sys.modules:
    import bitsandbytes.cextension
    print(bitsandbytes.cextension.BNB_BACKEND)
"""


def preloaded(answer: str) -> tuple[list[str], str]:
    done = subprocess.run(
        [sys.executable, "-c", ON_A_GPU, answer], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout.splitlines(), done.stderr


def test_bitsandbytes_is_told_the_capability_and_cuda_is_left_alone():
    lines, err = preloaded("9.0")
    assert lines == ["True True True", "True", "CUDA"]
    assert "TOUCHED" not in err


def test_without_an_answer_peft_waits_for_the_cells():
    lines, err = preloaded("[N/A]")
    assert lines == ["False False True", "True"]
    assert "TOUCHED" not in err


@pytest.mark.parametrize(
    ("answer", "found"), [("9.0\n", ((9, 0),)), ("8.0\n 12.0 \n\n", ((8, 0), (12, 0))), ("", ())]
)
def test_answers_of_the_driver(answer, found):
    assert parse_capabilities(answer) == found


def test_other_answers_are_none(monkeypatch):
    with pytest.raises(ValueError, match="invalid literal"):
        parse_capabilities("[N/A]")
    monkeypatch.setenv("PATH", "/nowhere")
    assert ask_capabilities() == ()


def test_without_bitsandbytes_the_other_libraries_are_imported(monkeypatch):
    found, imported = preload.find_spec, []
    monkeypatch.setattr(preload, "find_spec", lambda name: None if name == "bitsandbytes" else found(name))
    monkeypatch.setattr(preload, "import_module", imported.append)
    preload._import_adapters()
    assert imported == [name for name in preload.AFTER if name != "bitsandbytes"]
