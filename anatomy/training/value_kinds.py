"""Of which type each setting of a recipe is: files and callers can say anything."""

from collections.abc import Iterator, Mapping
from typing import Any

from anatomy.errors import RecipeError

_NAMES = (list, tuple)
_NUMBER = (float, int)
_KINDS: dict[str, tuple[type, ...]] = {
    "alpha": (int,),
    "peft_type": (str,),
    "peft": (Mapping,),
    "load_dtype": (str,),
    "kbit_prepare": (str, bool),
    "dequantize": (bool,),
    "eval_accumulation_steps": (int,),
    "optim_args": (str,),
    "images": (int,),
    "audio_seconds": _NUMBER,
    **dict.fromkeys(("quant_skip", "image_size"), _NAMES),
    **dict.fromkeys(("target_modules", "optim_target_modules"), (str, *_NAMES)),
    **dict.fromkeys(("weight_decay", "dropout", "max_grad_norm", "label_smoothing"), _NUMBER),
}
"""Setting -> its types, where they are not its default's alone."""
_WORDS: dict[type, str] = {
    int: "an integer",
    float: "a number",
    str: "a string",
    bool: "true or false",
    list: "a list of names",
    Mapping: "a table of settings",
}


def wrong_kinds(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[tuple[str, RecipeError]]:
    """(setting, what is wrong) for values of another type than the setting's; None is one where it is the default.

    Settings that are not in `defaults` are passed over.
    """
    for name, value in values.items():
        if name not in defaults or (value is None and defaults[name] is None):
            continue
        kinds = _KINDS.get(name, (type(defaults[name]),))
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            wanted = " or ".join(_WORDS[kind] for kind in kinds if kind in _WORDS)
            yield (
                name,
                RecipeError(
                    f"{name} is {value!r}, but must be {wanted}.",
                    hint="`anatomy plan --print-recipe` shows every setting with its default",
                    setting=name,
                ),
            )
