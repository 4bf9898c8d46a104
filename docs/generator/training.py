"""docs/reference/: what a recipe can say. Settings, methods, optimizers, losses; each from the table that the code reads."""

import click

from anatomy.cli.options import GroupedCommand
from anatomy.cli.plan import command as plan
from anatomy.planning.settings import needed
from anatomy.training.choices import CHOICES
from anatomy.training.losses.kinds import LOSSES
from anatomy.training.optimizers.kinds import OPTIMIZERS
from anatomy.training.peft_types import METHODS, PEFT_TYPES, PeftType
from anatomy.training.recipe import Recipe
from generator.markdown import NOTICE, code, codes, joined, plain, table
from generator.source_text import Field, fields_of

_SETTINGS = {
    "checkpointing": "gradient_checkpointing",
    "reentrant": "gradient_checkpointing",
    "peft_settings": "peft",
    "peft_config": "peft",
    "target_regex": "target_modules",
}
"""Parameter of the command line -> the setting that it changes, where their names differ."""
_BARE = Recipe(method="full", gradient_checkpointing="off", precision="fp32")
"""A recipe in which no setting that belongs to another is in use."""


def recipe() -> str:
    """docs/reference/recipe.md."""
    known = {field.name: field for field in fields_of(Recipe)}
    parts = [
        NOTICE,
        "# A recipe's settings",
        "What `anatomy plan`, `compare`, `profile`, `report` and `browse` take as flags, `--recipe FILE` as TOML, and the "
        "library as keyword arguments, by these names. `anatomy plan --print-recipe` writes the complete recipe of a "
        "command line, readable again. Sizes are whole numbers: sequences, tokens, ranks. A setting that means nothing "
        "beside the others is refused, with what it needs.",
    ]
    for heading, flags in _by_heading().items():
        rows = [_setting(known.pop(name), given) for name, given in flags.items()]
        parts += [f"## {heading}", table(("setting", "flag", "default", "values", "meaning"), rows)]
    assert not known, f"settings without a flag: {', '.join(known)}"
    return joined(*parts)


def _by_heading() -> dict[str, dict[str, list[str]]]:
    """Heading of the help -> setting -> its flags."""
    assert isinstance(plan, GroupedCommand)
    found: dict[str, dict[str, list[str]]] = {}
    names = {field.name for field in fields_of(Recipe)}
    for heading, options in plan.grouped(click.Context(plan)).items():
        for option in options:
            setting = _SETTINGS.get(option.name or "", option.name or "")
            if setting in names:
                flags = found.setdefault(heading, {}).setdefault(setting, [])
                flags += [*option.opts, *option.secondary_opts]
    return found


def _setting(field: Field, flags: list[str]) -> tuple[str, ...]:
    default = getattr(Recipe(), field.name)
    choices = [value for value in CHOICES.get(field.name, ()) if value is not None]
    needs = needed(field.name, _BARE)
    values = "[methods](methods.md)" if field.name == "method" else codes(choices)
    said = plain(field.text) + (f" Needs {plain(needs)}." if needs else "")
    return code(field.name), codes(flags), code(_written(default)), values or code(field.annotation), said


def _written(value: object) -> str:
    """A value as TOML has it; nothing for what is not set."""
    from anatomy.planning.settings import to_toml

    return "" if value is None else to_toml(value)


def methods() -> str:
    """docs/reference/methods.md."""
    rows = [
        (
            code(name),
            code(method.peft_type or ""),
            "4 or 8 bits" if method.quantized else "as loaded",
            codes(f"{key}={value}" for key, value in method.options.items()) or _OWN.get(name, ""),
        )
        for name, method in METHODS.items()
    ]
    return joined(
        NOTICE,
        "# Methods",
        "What `--method` trains. The adapters are PEFT's own; `peft` and `qpeft` take any of its types with "
        "`--peft-type`, and `--peft KEY=VALUE` sets any field of its config.",
        table(("method", "PEFT type", "base", "what makes it"), rows),
        "## PEFT's types",
        "The fields that a recipe's settings are called in each type's config. A setting without a field means nothing "
        "for the type, and is refused.",
        table(
            ("type", "r", "alpha", "dropout", "default rank:", "default targets", "remark"),
            map(_peft_type, PEFT_TYPES, PEFT_TYPES.values()),
        ),
    )


_OWN = {
    "full": "every weight",
    "last-n": "the last blocks (`--last-n`) and the head (`--train-head`)",
    "bitfit": "every bias",
    "houlsby": "small layers with a skip connection behind attention and behind the feed-forward network of each block (`--bottleneck`)",
    "pfeiffer": "the same behind the feed-forward network alone (`--bottleneck`)",
    "peft": "what `--peft-type` names",
    "qpeft": "what `--peft-type` names, over a quantized base",
}


def _peft_type(name: str, row: PeftType) -> tuple[str, ...]:
    remarks = [
        f"refused: {row.refused}" if row.refused else "",
        f"needs {row.package}" if row.package else "",
        "virtual tokens" if row.is_prompt else "",
        row.note,
    ]
    rank = str(row.own_rank or Recipe().r) if row.r else ""
    fields = [code(field or "") for field in (row.r, row.alpha, row.dropout)]
    return code(name), *fields, rank, code(row.targets or ""), plain("; ".join(filter(None, remarks)))


def optimizers() -> str:
    """docs/reference/optimizers.md."""
    rows = [
        (
            code(name),
            kind.fate,
            code(kind.package or ""),
            codes(kind.reads),
            plain("; ".join(filter(None, (kind.refused, kind.modelled, kind.note)))),
        )
        for name, kind in OPTIMIZERS.items()
    ]
    return joined(
        NOTICE,
        "# Optimizers",
        "The names of `TrainingArguments(optim=...)`, and `muon`, for `--optimizer`. **Rehearsed**: the real optimizer is "
        "stepped; with its package where that is installed. **Modelled**: a stand-in takes the same blocks. "
        "**Refused**: the answer says why. What each takes for a parameter, measured in rehearsals: "
        "[reports/optimizers.md](../../reports/optimizers.md).",
        table(("optimizer", "how", "package", "`--optim-args`", "remark"), rows),
    )


def losses() -> str:
    """docs/reference/losses.md."""
    said = next(field.text for field in fields_of(Recipe) if field.name == "loss")
    rows = [
        (
            code(name),
            code(kind.package or ""),
            "yes" if kind.makes_logits else "no",
            "yes" if kind.on_cpu else "no",
            plain(kind.note),
        )
        for name, kind in LOSSES.items()
    ]
    return joined(
        NOTICE,
        "# Losses",
        plain(said),
        "`profile` on a CPU runs those that run there; `plan` rehearses all of them, where their package is installed.",
        table(("loss", "package", "all logits at once", "runs on a CPU", "remark"), rows),
    )
