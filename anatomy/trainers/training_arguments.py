"""transformers' TrainingArguments, which TRL's and LLaMA-Factory's arguments extend. Names of 5.23, and older ones."""

from anatomy.trainers.evaluation import assumed as evaluation_assumed
from anatomy.trainers.evaluation import by_arguments, evaluation
from anatomy.trainers.shared import (
    OPTIMIZER_ARGUMENTS,
    STORED,
    STORED_WORDS,
    autocast,
    checkpointing,
    optimizer,
    other_checkpointing,
    padding,
    precision,
)
from anatomy.trainers.table import Caveat, Rule, Settings, Trainer, Values, integer, number, on, same
from anatomy.versions import installed

ONE_DEVICE = "it matters with several processes only; one device is planned"
PACE = "the length and the pace of the run take no memory"
LOGGING = "logging takes no memory on the device"
SAVING = "saving and the hub take no memory on the device"
DATA = "how data is read takes no memory on the device"
EVALUATED = "of evaluation, only its batches, their size and what is kept matter for memory"
UNIMPORTANT = {
    PACE: (
        "num_train_epochs max_steps learning_rate lr_scheduler_type lr_scheduler_kwargs warmup_steps warmup_ratio "
        "adam_beta1 adam_beta2 adam_epsilon seed data_seed full_determinism resume_from_checkpoint "
        "ignore_data_skip do_train restore_callback_states_from_checkpoint"
    ),
    LOGGING: (
        "logging_strategy logging_steps logging_first_step logging_nan_inf_filter logging_dir log_on_each_node log_level "
        "log_level_replica include_num_input_tokens_seen include_tokens_per_second disable_tqdm report_to run_name "
        "project trackio_space_id trackio_bucket_id trackio_static_space_id skip_memory_metrics debug"
    ),
    SAVING: (
        "output_dir overwrite_output_dir save_only_model save_strategy save_steps save_on_each_node save_total_limit "
        "save_safetensors enable_jit_checkpoint push_to_hub push_to_hub_model_id push_to_hub_organization "
        "push_to_hub_token hub_token hub_private_repo hub_model_id hub_strategy hub_always_push hub_revision "
        "load_best_model_at_end metric_for_best_model greater_is_better"
    ),
    DATA: (
        "dataloader_drop_last dataloader_num_workers dataloader_pin_memory dataloader_persistent_workers "
        "dataloader_prefetch_factor dataloader_multiprocessing_context dataloader_in_order remove_unused_columns "
        "label_names train_sampling_strategy group_by_length length_column_name accelerator_config"
    ),
    EVALUATED: (
        "eval_steps eval_delay prediction_loss_only eval_on_start eval_do_concat_batches "
        "eval_use_gather_object include_for_metrics include_inputs_for_metrics batch_eval_metrics "
        "bf16_full_eval fp16_full_eval do_predict jit_mode_eval"
    ),
    ONE_DEVICE: (
        "ddp_find_unused_parameters ddp_bucket_cap_mb ddp_broadcast_buffers ddp_static_graph ddp_backend ddp_timeout "
        "local_rank average_tokens_across_devices"
    ),
    "it changes how fp32 is multiplied, not what is stored": "tf32 half_precision_backend fp16_backend fp16_opt_level",
    "it is about generating, not training": "use_cache",
    "older versions had it for other devices": (
        "use_ipex mp_parameters past_index ray_scope torchdynamo tpu_num_cores tpu_metrics_debug _n_gpu "
        "xpu_backend use_legacy_prediction_loop dispatch_batches split_batches"
    ),
    "it matters with torch_compile only": "torch_compile_backend torch_compile_mode",
}
SPLIT = Caveat(
    keys=("fsdp", "fsdp_config", "deepspeed", "parallelism_config", "tp_size"),
    effect="weights, gradients and states are split between devices or offloaded: less memory on each than planned",
    when=lambda values: (
        any(on(values.get(key)) for key in ("fsdp", "deepspeed", "parallelism_config"))
        or values.get("tp_size") not in (None, 0, 1)
    ),
)


def liger(key: str, made: Settings) -> Rule:
    """All of Liger that the trainer applies, where its package is here to be rehearsed."""
    return Rule(keys=(key,), settings=lambda values: made if _whole_liger(values, key) else {})


LIGER_WITH_ITS_LOSS: Settings = {"loss": "liger", "liger_kernels": True}
"""What transformers applies."""


def other_liger(key: str) -> Caveat:
    """Liger without its package, or a part of it."""
    return Caveat(
        keys=(key, "liger_kernel_config"),
        effect="Liger's kernels keep fewer activations, and its loss never holds all logits: less memory than planned "
        "(with the package liger-kernel, all of it is rehearsed)",
        when=lambda values: on(values.get(key)) and not _whole_liger(values, key),
    )


def _whole_liger(values: Values, key: str) -> bool:
    asked = on(values.get(key)) and not values.get("liger_kernel_config")
    return asked and bool(installed(("liger-kernel",)))


NOT_MODELLED = (
    SPLIT,
    Caveat(
        keys=("torch_compile",),
        effect="a compiled step keeps other activations and buffers: the numbers are those of the step as it is written",
    ),
    Caveat(
        keys=("neftune_noise_alpha",),
        effect="noise of the size of the embeddings' output is added: a little more memory",
    ),
    Caveat(
        keys=("auto_find_batch_size",), effect="the batch is halved until it fits: planned as it is written"
    ),
    Caveat(
        keys=("torch_empty_cache_steps",), effect="the cache is emptied between steps: less may be reserved"
    ),
    Caveat(
        keys=("use_cpu", "no_cuda", "use_mps_device"),
        effect="the run is not on a GPU; the plan is for one",
    ),
)
_OPTIMIZER, OTHER_OPTIMIZER = optimizer("optim")
BATCH = (
    same("per_device_train_batch_size", "batch_size", integer),
    same("gradient_accumulation_steps", "grad_accum", integer),
    same("max_grad_norm", "max_grad_norm", number),
    _OPTIMIZER,
    *OPTIMIZER_ARGUMENTS,
    same("weight_decay", "weight_decay", number),
    same("label_smoothing_factor", "label_smoothing", number),
)
DEFAULTS = {
    "per_device_train_batch_size": 8,
    "per_device_eval_batch_size": 8,
    "gradient_accumulation_steps": 1,
    "max_grad_norm": 1.0,
    "weight_decay": 0.0,
    "optim": "adamw_torch_fused",
    "bf16": False,
    "fp16": False,
}
CHECKPOINT_KEYS = (
    *("gradient_checkpointing", "activation_checkpointing"),
    *("gradient_checkpointing_kwargs", "activation_checkpointing_kwargs"),
)
"""The new names came with transformers 5 and win over the old ones."""
CHECKPOINTING = Rule(
    keys=CHECKPOINT_KEYS,
    settings=lambda values: checkpointing(
        on(values.get("activation_checkpointing", values.get("gradient_checkpointing"))),
        values.get("activation_checkpointing_kwargs", values.get("gradient_checkpointing_kwargs")),
    ),
)
CAVEATS = (
    *NOT_MODELLED,
    other_liger("use_liger_kernel"),
    OTHER_OPTIMIZER,
    other_checkpointing("gradient_checkpointing_kwargs"),
    other_checkpointing("activation_checkpointing_kwargs"),
)

ALIASES = {
    "per_gpu_train_batch_size": "per_device_train_batch_size",
    "per_gpu_eval_batch_size": "per_device_eval_batch_size",
    "evaluation_strategy": "eval_strategy",
}
"""Names of older versions."""

TRAINING_ARGUMENTS = Trainer(
    kind="transformers",
    name="transformers",
    version="transformers 5.23.0",
    rules=(
        Rule(keys=("bf16", "fp16"), settings=lambda values: precision(autocast(values), STORED)),
        *BATCH,
        liger("use_liger_kernel", LIGER_WITH_ITS_LOSS),
        CHECKPOINTING,
        evaluation(by_arguments),
        Rule(
            keys=("per_device_train_batch_size",),
            settings=lambda values: padding(values, "per_device_train_batch_size", packed=False),
        ),
    ),
    caveats=CAVEATS,
    unimportant=UNIMPORTANT,
    defaults={**DEFAULTS, "gradient_checkpointing": False},
    settled={"method": "full"},
    model="model_name_or_path",
    aliases=ALIASES,
    assumed=lambda values: (
        "TrainingArguments do not say what is trained or how long sequences are: every weight (--method), and "
        "the recipe's own length (--seq-len)",
        STORED_WORDS,
        *evaluation_assumed(by_arguments(values)),
    ),
)
