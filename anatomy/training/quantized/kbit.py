"""What trainers do to a quantized base before and after the adapters: casts that change every activation's bytes."""

from typing import Any

from anatomy.training.recipe import Recipe

_EMBEDDINGS = ("lm_head", "embed_tokens", "wte", "wpe")


def prepare(model: Any, recipe: Recipe) -> None:
    """Before the adapters: peft's own preparation, which casts what is not packed to fp32.

    Checkpointing and gradients of inputs are the recipe's own, so peft is not asked for them.
    """
    if recipe.kbit_prepare == "off":
        return
    from peft import prepare_model_for_kbit_training

    prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)


def finish(model: Any, recipe: Recipe) -> None:
    """After the adapters: casts that trainers make on the finished model."""
    if recipe.quantized and recipe.kbit_prepare == "trl" and _casts_back(recipe):
        cast_back(model)
    if recipe.adapter_dtype == "base":
        _follow_base(model)
    if recipe.adapter_dtype == "bf16":
        cast_adapters(model)


def _casts_back(recipe: Recipe) -> bool:
    """`if args.bf16 and getattr(model, "is_loaded_in_4bit", False)`: trl 1.16, experimental/orpo/orpo_trainer.py."""
    return recipe.autocast_dtype == "bfloat16" and recipe.quant_bits == 4


def cast_back(model: Any) -> None:
    """Norms to fp32; embeddings and head, where they are fp32, to bf16: peft_module_casting_to_bf16.

    Source: trl 0.13 trainer/utils.py, trl 1.16 experimental/utils.py. SFTTrainer called it until prepare_model_for_kbit_training
    left it; the trainers of trl.experimental (ORPO, CPO) still do.
    """
    import torch

    for name, module in model.named_modules():
        if isinstance(module, torch.nn.LayerNorm) or "norm" in name:
            module.to(torch.float32)
        elif any(part in name for part in _EMBEDDINGS):
            weight = getattr(module, "weight", None)
            if weight is not None and weight.dtype == torch.float32:
                module.to(torch.bfloat16)


def _follow_base(model: Any) -> None:
    """Adapters in the dtype of the weight that they adapt, where it is a float's: PEFT does so but on meta.

    Source: peft 0.21, tuners_utils.py, _move_adapter_to_device_of_base_layer. Of a packed weight the storage counts.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    for layer in (module for module in model.modules() if isinstance(module, BaseTunerLayer)):
        weight = getattr(layer.get_base_layer(), "weight", None)
        if weight is None or not weight.is_floating_point():
            continue
        for name in layer.adapter_layer_names:
            held: Any = getattr(layer, name, ())
            for parameter in held.parameters() if hasattr(held, "parameters") else ():
                parameter.data = parameter.data.to(weight.dtype)


def cast_adapters(model: Any) -> None:
    """What is trained, but DoRA's magnitudes, to bf16: what trl 1.16's trainers do over a quantized base.

    Source: trl 1.16 trainer/sft_trainer.py, `if _is_quantized_model`.
    """
    import torch

    for name, parameter in model.named_parameters():
        if parameter.requires_grad and "lora_magnitude_vector" not in name:
            parameter.data = parameter.data.to(torch.bfloat16)
