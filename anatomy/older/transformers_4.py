"""transformers 4.48, with names of 5."""

from typing import Any

from anatomy.older.row import Row


def _base() -> Any:
    from transformers import PreTrainedModel

    return PreTrainedModel


def _takes_no_dtype() -> bool:
    """`_from_config` says in its first lines which spelling it reads; later ones read both."""
    constants = _base()._from_config.__func__.__code__.co_consts
    return "torch_dtype" in constants and "dtype" not in constants


def _rename_dtype() -> None:
    original = _base()._from_config.__func__

    def _from_config(cls: Any, /, config: Any, **options: Any) -> Any:
        if "dtype" in options:
            options["torch_dtype"] = options.pop("dtype")
        return original(cls, config, **options)

    _base()._from_config = classmethod(_from_config)


def _let_loss_be_set() -> None:
    """A model's loss was looked up at each use; now one that was given to the model comes first."""
    looked_up = _base().loss_function.fget

    def given(self: Any) -> Any:
        return self.__dict__.get("_given_loss") or looked_up(self)

    def give(self: Any, function: Any) -> None:
        self.__dict__["_given_loss"] = function

    _base().loss_function = property(given, give)


class _Functions(dict[str, Any]):
    """A plain dictionary of attention functions: every entry is a local one."""

    @property
    def _local_mapping(self) -> "_Functions":
        return self


def _functions_are_plain() -> bool:
    from transformers import modeling_utils

    return type(modeling_utils.ALL_ATTENTION_FUNCTIONS) is dict


def _wrap_functions() -> None:
    """Models import the dictionary by name: this comes before any model's module."""
    from transformers import modeling_utils

    modeling_utils.ALL_ATTENTION_FUNCTIONS = _Functions(modeling_utils.ALL_ATTENTION_FUNCTIONS)


def _name_flash_support() -> None:
    _base()._supports_flash_attn = property(lambda self: self._supports_flash_attn_2)


def _keys_live_elsewhere() -> bool:
    from transformers.quantizers import base

    return not hasattr(base, "get_keys_to_not_convert")


def _move_keys() -> None:
    from transformers.integrations.bitsandbytes import get_keys_to_not_convert
    from transformers.quantizers import base

    base.get_keys_to_not_convert = get_keys_to_not_convert


ROWS = (
    Row(
        what="PreTrainedModel._from_config(dtype=...)",
        is_missing=_takes_no_dtype,
        supply=_rename_dtype,
    ),
    Row(
        what="PreTrainedModel.loss_function that can be set",
        is_missing=lambda: getattr(_base().loss_function, "fset", ...) is None,
        supply=_let_loss_be_set,
    ),
    Row(
        what="AttentionInterface",
        is_missing=_functions_are_plain,
        supply=_wrap_functions,
    ),
    Row(
        what="PreTrainedModel._supports_flash_attn",
        is_missing=lambda: not hasattr(_base(), "_supports_flash_attn"),
        supply=_name_flash_support,
    ),
    Row(
        what="transformers.quantizers.base.get_keys_to_not_convert",
        is_missing=_keys_live_elsewhere,
        supply=_move_keys,
    ),
)
