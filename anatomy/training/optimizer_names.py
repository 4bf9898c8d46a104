"""The names that `TrainingArguments(optim=...)` takes, without the seconds that importing it takes."""

import ast
from importlib.util import find_spec
from pathlib import Path


def optimizer_names() -> tuple[str, ...] | None:
    """What `OptimizerNames` of the installed transformers lists, read in its source: importing it imports torch.

    None when it does not stand there; then only the rehearsal can tell.
    """
    found = find_spec("transformers")
    if found is None or found.origin is None:
        return None
    try:
        source = (Path(found.origin).parent / "training_args.py").read_text(encoding="utf-8")
        classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
        body = next(node.body for node in classes if node.name == "OptimizerNames")
        values = [ast.literal_eval(member.value) for member in body if isinstance(member, ast.Assign)]
    except (OSError, SyntaxError, ValueError, StopIteration):
        return None
    return tuple(value for value in values if isinstance(value, str)) or None
