"""What `show` answers: the model, what was asked beside it, and two models side by side."""

from anatomy.architecture.components import COMPONENTS
from anatomy.architecture.facts import Facts
from anatomy.schemas.shapes import (
    NOTES,
    VERSION,
    Schema,
    answer,
    anything,
    by_name,
    maybe,
    number,
    one_of,
    record,
    ref,
    several,
    size,
    text,
    typed,
    whole,
    yes,
)

MODEL = record(
    {
        "id": text("What the user calls the model."),
        "origin": text("Where its description was read."),
        "model_type": maybe(text(), "The config's model type; null where there is none."),
        "architecture": maybe(text(), "The class that was built, or that the config names."),
        "overrides": by_name(anything(), "Facts of the config that were set by hand."),
    },
    "Which model.",
)
COUNTS = record(
    {
        "total": whole("Parameters that the model holds, tied ones once."),
        "active": maybe(whole(), "Parameters that one token uses; null for a model without routed experts."),
        "stored": maybe(whole(), "Numbers that the checkpoint stores; null where its headers were not read."),
        "by_component": by_name(whole(), "Component -> parameters; adds up to the total.", names=COMPONENTS),
        "by_dtype": by_name(whole(), "dtype -> numbers, as stored; empty where it is not known."),
        "also": several(
            record({"why": text(), "total": whole()}),
            "Other totals that can rightly be given for this model.",
        ),
    }
)
STORED = record(
    {
        "elements": whole("Numbers."),
        "bytes": size("All tensors"),
        "by_dtype": by_name(whole(), "dtype -> numbers."),
        "bytes_by_dtype": by_name(size()),
        "bits_per_weight": maybe(number(), "Bits of storage for each number."),
        "difference": several(
            record({"what": text(), "elements": whole(least=None)}),
            "From the model's parameters to the stored numbers, term by term.",
        ),
        "surplus": several(text(), "Stored and not held."),
    },
    "The checkpoint beside the model.",
)
ADAPTER = record(
    {
        "peft_type": text(),
        "settings": by_name(anything(), "As in adapter_config.json."),
        "modules": several(
            record(
                {
                    "module": text(),
                    "count": whole(),
                    "shapes": by_name(several(whole())),
                    "parameters": whole(),
                }
            )
        ),
        "copied": whole("Parameters of modules that are saved whole."),
        "base": maybe(text()),
        "base_parameters": maybe(whole()),
        "placed": maybe(record({"fitting": whole(), "of": whole()})),
    },
    "What an adapter adds to which model.",
)
TREE = record(
    {
        "path": text("'model.layers.0.mlp'; '' for the whole model."),
        "kind": text("Its class."),
        "component": text("What it belongs to."),
        "parameters": whole("In it and in what it contains."),
        "children": several(ref("module")),
    }
)
FORMAT = record(
    {
        "name": text(),
        "bytes": maybe(size("The whole model"), "null where the format is not for this model."),
        "bits_per_weight": maybe(number()),
        "parameters": whole(),
        "packed_bytes": size("Weights that are packed"),
        "scale_bytes": size("Scales and what else unpacks them"),
        "kept_bytes": size("What is not quantized"),
        "kept_expert_parameters": whole("Parameters of routed experts that are not quantized."),
        "tensors": by_name(whole(), "Type of tensor -> how many, where types are mixed."),
        "says": text("How it is made."),
        "source": text("Where the rule was published."),
        "why_not": text("Why the model cannot be in it; '' where it can."),
    }
)
ENTRY = record(
    {
        "path": text(),
        "module": yes("A module, with all that it contains; else a tensor."),
        "kind": text("A module's class."),
        "component": text(),
        "shape": maybe(several(whole()), "null for a module."),
        "dtype": text("'' where it is not known."),
        "parameters": whole(),
        "bytes": maybe(size("As stored"), "null where that is not known."),
    }
)
TOKENIZER = record(
    {
        "kind": maybe(text()),
        "model": maybe(text()),
        "size": maybe(whole(), "Tokens."),
        "highest_id": maybe(whole()),
        "added": maybe(whole(), "Tokens added to the model's own."),
        "special_tokens": several(text()),
        "named": by_name(anything(), "'eos_token' -> the token."),
        "chat_template": yes(),
        "longest": maybe(whole(), "Tokens of the longest input."),
    },
    optional={
        "embedding_rows": whole("Rows of the token embedding."),
        "rows_beyond": whole("Rows less the tokenizer's ids.", least=None),
        **{
            name: whole()
            for name in (
                "added_tokens",
                "added_rows",
                "added_parameters",
                "trainable_rows",
                "trainable_tables",
            )
        },
    },
)
_SERVED = {
    "gpu": text(),
    "memory_bytes": size("What a process can allocate on it"),
    "left_bytes": size("What stays free; negative by how much is missing", least=None),
    "fits": yes(),
    "longest_context": maybe(
        whole(least=None), "Tokens of each sequence for which it would do; null for any number."
    ),
}
_NOT_IN_IT = "null where this cache cannot be kept so."
KV_CACHE = record(
    {
        "context": whole("Tokens of each sequence."),
        "batch": whole("Sequences."),
        "cache_dtype": text(),
        "bytes": size("The whole cache"),
        "token_bytes": size("For one more token of a sequence"),
        "state_bytes": size("Of a sequence, whatever its length"),
        "weight_bytes": size("The weights"),
        "checkpoint": maybe(record({"format": text(), "weight_bytes": size()})),
        "layers": several(
            record(
                {
                    "kind": text(),
                    "count": whole(),
                    "token_elements": whole("Numbers kept of a token."),
                    "window": maybe(whole(), "Tokens that are kept at most; null for all."),
                    "state_bytes": size("A state of constant size"),
                }
            )
        ),
        "order": several(text(), "Runs of layers, in order."),
        "expanded_token_elements": maybe(whole()),
        "encoder_tokens": maybe(whole()),
        "fp32_state_bytes": maybe(size("States of a model that is loaded in fp32")),
        "reach": maybe(record({"layers": whole(), "tokens": whole()})),
        "notes": NOTES,
        "by_dtype": several(
            record(
                {
                    "cache_dtype": text(),
                    "bits": number(),
                    "token_bytes": maybe(size("For one more token of a sequence"), _NOT_IN_IT),
                    "bytes": maybe(size("The whole cache"), _NOT_IN_IT),
                    "note": maybe(text()),
                }
            )
        ),
        "gpus": several(record(_SERVED, optional={"checkpoint": record(_SERVED)})),
    }
)
ANATOMY_KEYS = {
    "schema_version": VERSION,
    "model": MODEL,
    "facts": typed(Facts, optional=True),
    "parameters": COUNTS,
    "stored": maybe(STORED, "null where its headers were not read."),
    "adapter": maybe(ADAPTER, "null for a whole model."),
    "buffers": by_name(whole(), "Persistent buffers, path -> elements; not parameters."),
    "tied": several(
        record({"counted": text("Its path."), "also": several(text()), "parameters": whole()}),
        "Parameters that stand at several places, counted once.",
    ),
    "unclassified": several(text(), "Parameters that no rule recognised; counted as 'other'."),
    "notes": NOTES,
    "tree": ref("module"),
}
MODULE = {"module": TREE}
"""For the `$defs` of what has an anatomy in it."""


def show() -> Schema:
    """`anatomy show --json`."""
    asked = {
        "entries": several(ENTRY, "With --filter or --sort."),
        "formats": several(FORMAT, "With --formats."),
        "tokenizer": TOKENIZER,
        "kv_cache": KV_CACHE,
    }
    body = record(ANATOMY_KEYS, "What a model is made of.", optional=asked)
    return answer("show", "anatomy show --json", body, MODULE)


def diff() -> Schema:
    """`anatomy show A B --diff --json`."""
    side = record({"id": text(), "origin": text(), "parameters": whole()})
    change = record({"name": text(), "left": anything(), "right": anything()})
    held = several(record({"count": whole(), "shape": several(whole()), "dtype": text()}))
    counts = record({"name": one_of(COMPONENTS), "left": whole(), "right": whole()})
    keys = {
        "schema_version": VERSION,
        "left": side,
        "right": side,
        "facts": several(change, "Facts that differ; null on the side that lacks one."),
        "config": several(change, "Keys of the config that differ, nested ones dotted."),
        "components": several(counts, "Parameters by component, those that do not differ as well."),
        "tensors": several(
            record(
                {
                    "path": text("With * for the numbers of layers and experts."),
                    "left": held,
                    "right": held,
                    "parameters": whole("Right less left.", least=None),
                }
            ),
            "Tensors that differ in number, shape or dtype.",
        ),
        "notes": NOTES,
    }
    return answer("diff", "anatomy show A B --diff --json", record(keys, "What differs between two models."))
