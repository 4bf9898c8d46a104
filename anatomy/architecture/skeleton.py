"""Blueprint -> the real transformers class, built on the meta device: every shape, no memory.

torch and transformers are imported inside the functions, so that what needs neither does not pay for them.
"""

import contextlib
import copy
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from anatomy.architecture.facts import named_dtype
from anatomy.architecture.plausible import check_heads, check_plausible
from anatomy.architecture.refusals import UnknownArchitectureError, first_sentence, refused, unknown_type
from anatomy.architecture.settings import check_known, drop_other_spellings
from anatomy.blueprint import Blueprint
from anatomy.dtypes import BY_NAME
from anatomy.errors import ArchitectureError


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Skeleton:
    """A model without weights."""

    model: Any
    """torch.nn.Module with all parameters and buffers on the meta device."""
    config: Any
    """transformers.PreTrainedConfig it was built from."""
    class_name: str
    """The model's class, e.g. 'LlamaForCausalLM'."""
    notes: tuple[str, ...] = ()
    """What was decided while building, in sentences."""


# Tried in this order when the config names no class that the installed transformers has. Sequence-to-sequence and
# masked models come before causal ones because most of them are registered as causal too.
_TASKS: tuple[tuple[str, str], ...] = (
    ("ForConditionalGeneration", "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING"),
    ("ForConditionalGeneration", "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING"),
    ("ForConditionalGeneration", "MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING"),
    ("ForMaskedLM", "MODEL_FOR_MASKED_LM_MAPPING"),
    ("ForCausalLM", "MODEL_FOR_CAUSAL_LM_MAPPING"),
    ("ForImageClassification", "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING"),
    ("ForCTC", "MODEL_FOR_CTC_MAPPING"),
    ("ForSequenceClassification", "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING"),
    ("ForTokenClassification", "MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING"),
    ("ForQuestionAnswering", "MODEL_FOR_QUESTION_ANSWERING_MAPPING"),
    ("", "MODEL_MAPPING"),
)

# Written by whoever saved the config; they describe neither shape nor class.
_NOT_ARCHITECTURE = (
    "transformers_version",
    "_name_or_path",
    "_commit_hash",
    "_attn_implementation",
    "auto_map",
)


def build_skeleton(
    blueprint: Blueprint,
    *,
    dtype: str | None = None,
    attn: str | None = None,
    trust_remote_code: bool = False,
) -> Skeleton:
    """Build the blueprint's model on the meta device.

    `dtype`: a name of `anatomy.dtypes`, None for the config's own, or a nested config's (float32 where they have none). `attn`:
    'sdpa', 'eager' or 'flash_attention_2' (built as sdpa: the package's kernel is not needed for shapes), None for
    the class's default. Code from the model's repository runs only with `trust_remote_code`.
    Raises ArchitectureError: no config, unknown or remote-only type, sizes or values that the class refuses.
    """
    raw = _raw_config(blueprint)
    with _quiet():
        import torch

        config, remote = _config(blueprint, raw, trust_remote_code)
        cls, notes = (remote, []) if remote else _model_class(blueprint, raw, config)
        check_known(blueprint.overrides, config, cls)
        check_heads(config.to_dict())  # where the class's defaults fill in what the config omits
        config = _own_config(cls, config)
        wanted = named_dtype(raw) if dtype is None else _dtype_name(dtype)
        options: dict[str, Any] = {} if wanted is None else {"dtype": getattr(torch, wanted)}
        try:
            model = _built(cls, config, options, _attention(cls, attn, notes))
        except Exception as error:  # whatever a model class raises for a config it cannot use
            raise refused(blueprint, cls.__name__, raw, error) from error
    notes += _untie_if_stored_untied(blueprint, raw, model)
    return Skeleton(model=model, config=model.config, class_name=type(model).__name__, notes=tuple(notes))


def _built(cls: Any, config: Any, options: Mapping[str, Any], attention: Mapping[str, Any]) -> Any:
    """The model on meta. sdpa is asked for where every part has it, else each part gets transformers' choice for it."""
    import torch

    kept = copy.deepcopy(config)
    with torch.device("meta"):
        try:
            model = cls._from_config(config, **options, **attention)
        except ValueError as error:
            if attention.get("attn_implementation") != "sdpa" or "attention implementation" not in str(error):
                raise
            model = cls._from_config(kept, **options)
    _to_meta(model)
    return model


def _to_meta(model: Any) -> None:
    """Parameters made by torch's old constructors, torch.Tensor(4), ignore the device that is asked for."""
    import torch

    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.device.type != "meta":
                empty = torch.empty_like(parameter, device="meta")
                setattr(module, name, torch.nn.Parameter(empty, requires_grad=parameter.requires_grad))


def _raw_config(blueprint: Blueprint) -> dict[str, Any]:
    if blueprint.config is None:
        raise ArchitectureError(
            f"{blueprint.id} has no config.json, so the model cannot be built.",
            hint="its headers can still be counted: anatomy show; a run needs a folder with config.json",
        )
    raw: dict[str, Any] = copy.deepcopy(dict(blueprint.config))
    check_plausible(raw)
    if not isinstance(raw.get("model_type"), str):
        raise UnknownArchitectureError(
            f"{blueprint.id}'s config does not say its model_type, so the class to build is unknown.",
            hint="add it with --set model_type=NAME",
        )
    return raw


def _config(blueprint: Blueprint, raw: dict[str, Any], trust: bool) -> tuple[Any, Any]:
    """The config object, and the repository's own model class where its code was asked for and is needed."""
    from transformers import CONFIG_MAPPING

    model_type = raw["model_type"]
    if model_type not in CONFIG_MAPPING:
        if raw.get("auto_map") and trust:
            return _remote(blueprint, raw)
        raise unknown_type(blueprint, raw, list(CONFIG_MAPPING))
    drop_other_spellings(raw, blueprint.overrides, CONFIG_MAPPING)
    values = {k: v for k, v in raw.items() if k != "model_type" and k not in _NOT_ARCHITECTURE}
    try:
        return CONFIG_MAPPING[model_type](**values), None
    except Exception as error:
        raise refused(blueprint, f"model type '{model_type}'", raw, error) from error


def _remote(blueprint: Blueprint, raw: Mapping[str, Any]) -> tuple[Any, Any]:
    """Config object and class from the repository's own code; only reached when the user typed that they trust it."""
    from transformers.dynamic_module_utils import get_class_from_dynamic_module

    auto_map = raw["auto_map"]
    where, revision = blueprint.origin.location, blueprint.origin.revision
    key = next(
        (k for k in ("AutoModelForCausalLM", *auto_map) if k in auto_map and k.startswith("AutoModel")), None
    )
    if key is None or "AutoConfig" not in auto_map:
        raise UnknownArchitectureError(f"{blueprint.id}'s auto_map names no config and model class.")
    try:
        config_class = get_class_from_dynamic_module(auto_map["AutoConfig"], where, revision=revision)
        model_class = get_class_from_dynamic_module(auto_map[key], where, revision=revision)
        return config_class(**{k: v for k, v in raw.items() if k not in _NOT_ARCHITECTURE}), model_class
    except Exception as error:
        raise ArchitectureError(
            f"The code in {where} could not be loaded: {first_sentence(error)}",
            hint="it may need packages that are not installed, or files that are not here",
        ) from error


def _model_class(blueprint: Blueprint, raw: Mapping[str, Any], config: Any) -> tuple[Any, list[str]]:
    """The class that the config names, else the one that its model type stands for."""
    import transformers

    named = next((name for name in raw.get("architectures") or () if isinstance(name, str)), None)
    cls = getattr(transformers, named, None) if named and named.isidentifier() else None
    if cls is None:
        return _class_by_task(blueprint, named, config)
    wanted = getattr(cls, "config_class", None)
    if wanted is not None and not isinstance(config, wanted) and not _is_registered(cls, config):
        raise ArchitectureError(
            f"{blueprint.id}'s config contradicts itself: it names the class {named}, which is built from a "
            f"'{wanted.model_type}' config, but its model_type is '{config.model_type}'.",
            hint=f"say which is meant, e.g. --set model_type={wanted.model_type}",
        )
    return cls, []


def _is_registered(cls: Any, config: Any) -> bool:
    """Whether transformers' own tables name this class for a config of this type, though it is another type's."""
    from transformers.models.auto import modeling_auto

    names = (getattr(modeling_auto, f"{task}_NAMES", {}).get(config.model_type) for _, task in _TASKS)
    return any(cls.__name__ in ((name,) if isinstance(name, str) else name or ()) for name in names)


def _own_config(cls: Any, config: Any) -> Any:
    """The config that the class is built from: of a model with towers, its text part's where the class is that alone.

    As transformers' `_BaseAutoModelClass.from_config` does.
    """
    text = getattr(config, "sub_configs", {}).get("text_config")
    alone = text is not None and getattr(cls, "config_class", None) is text
    return config.get_text_config() if alone else config


def _class_by_task(blueprint: Blueprint, named: str | None, config: Any) -> tuple[Any, list[str]]:
    from transformers.models.auto import modeling_auto

    tasks = sorted(_TASKS, key=lambda task: not (named and task[0] and named.endswith(task[0])))
    for _, mapping_name in tasks:
        mapping = getattr(modeling_auto, mapping_name, {})
        if type(config) in mapping:
            found = mapping[type(config)]
            cls = found[0] if isinstance(found, tuple) else found
            if named is None:
                return cls, [f"The config names no class; built {cls.__name__}."]
            return cls, [f"The config names {named}, which this transformers lacks; built {cls.__name__}."]
    raise UnknownArchitectureError(
        f"The installed transformers has a config but no model for {blueprint.id} (model type '{config.model_type}').",
        hint="update transformers, or count the checkpoint's headers",
    )


def _attention(cls: Any, attn: str | None, notes: list[str]) -> dict[str, Any]:
    """What to ask of the class; nothing for sdpa, which is what transformers takes wherever a part supports it."""
    if attn not in (None, "eager") and not getattr(cls, "_supports_sdpa", False):
        notes.append(f"{cls.__name__} has no sdpa attention; it runs its own (eager).")
    # Building with flash_attention_2 demands its package; shapes do not depend on the kernel.
    return {"attn_implementation": attn} if attn not in (None, "sdpa", "flash_attention_2") else {}


def _dtype_name(dtype: str) -> str:
    if dtype not in BY_NAME:
        raise ArchitectureError(
            f"{dtype!r} is not a number format that is known here.", hint=f"use one of: {', '.join(BY_NAME)}"
        )
    return BY_NAME[dtype].name


def says_untied(raw: Mapping[str, Any]) -> bool:
    """Whether the config itself says that head and embedding are separate."""
    return raw.get("tie_word_embeddings") is False


def _untie_if_stored_untied(blueprint: Blueprint, raw: Mapping[str, Any], model: Any) -> list[str]:
    """Separate head and embedding where the config and the checkpoint say so but the class ties them anyway.

    transformers 5 sets tie_word_embeddings=True for the T5 family whatever the config says; loading a checkpoint that
    stores both then leaves them apart, and so does this.
    """
    from anatomy.architecture.tied import head_is_tied

    if not (says_untied(raw) and blueprint.tensors and head_is_tied(model)):
        return []
    head = model.get_output_embeddings()
    path = next(name for name, module in model.named_modules() if module is head)
    if not any(tensor.name.endswith(f"{path}.weight") for tensor in blueprint.tensors):
        return []
    import torch

    head.weight = torch.nn.Parameter(torch.empty_like(head.weight))
    model.config.tie_word_embeddings = False
    return [
        f"The checkpoint stores {path}.weight beside the embedding and the config says untied: counted apart."
    ]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' remarks off the user's streams while a model is built."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers.utils import logging

        before = logging.get_verbosity()
        logging.set_verbosity(logging.CRITICAL)
        try:
            yield
        finally:
            logging.set_verbosity(before)
