"""What TRL does and a recipe cannot say, and its keys that take no memory on the device."""

from typing import Any

from anatomy.trainers import training_arguments
from anatomy.trainers.shared import dtype, mapping, other_attention, others_inside
from anatomy.trainers.table import Caveat, Values, joined, on


def loaded(values: Values) -> Any:
    """The dtype that weights are loaded in: the command line's default is float32, a trainer's own transformers'."""
    kwargs = mapping(values.get("model_init_kwargs"))
    said = kwargs.get("dtype", kwargs.get("torch_dtype"))
    usual = "float32" if "model_name_or_path" in values else "auto"
    return said or values.get("dtype") or usual


def _smoothed(values: Values) -> bool:
    return str(values.get("label_smoothing_factor") or 0) not in ("0", "0.0")


_PREFERENCES = (
    "beta",
    "loss_weights",
    "precompute_ref_log_probs",
    "f_divergence_type",
    "label_smoothing",
    "ld_alpha",
)
_REINFORCED = (
    "num_generations", "max_completion_length", "use_vllm", "center_rewards_coefficient", "desirable_weight",
    "undesirable_weight", "teacher_model_name_or_path", "num_iterations",
)  # fmt: skip

CAVEATS = (
    *training_arguments.CAVEATS,
    Caveat(
        keys=("loss_type",),
        effect="TRL's trainers compute the loss from the head in chunks and never hold all logits: less memory than "
        "planned, the more so the larger the vocabulary (--loss trl plans it, with the package trl)",
        when=lambda values: not _smoothed(values),
    ),
    Caveat(
        keys=("label_smoothing_factor",),
        effect="TRL's SFTTrainer computes the smoothed loss beside its own: another pass through the head is not planned",
        when=lambda values: _smoothed(values),
    ),
    Caveat(
        keys=(*_PREFERENCES, *_REINFORCED),
        effect="preference and reinforcement training make several passes, with a reference model or generated text: "
        "planned as supervised fine-tuning, which takes less (--objective dpo plans DPO)",
        when=lambda values: any(values.get(key) is not None for key in (*_PREFERENCES, *_REINFORCED)),
    ),
    Caveat(
        keys=("dtype", "load_in_4bit"),
        effect="the 4-bit layers compute in fp32, TRL's default dtype: more memory than planned; dtype: bfloat16 is usual",
        when=lambda values: on(values.get("load_in_4bit")) and dtype(loaded(values)) == "fp32",
    ),
    other_attention("attn_implementation"),
    others_inside(
        "model_init_kwargs",
        ("dtype", "torch_dtype", "attn_implementation", "revision", "trust_remote_code", "use_cache", "device_map"),
        "only dtype and attn_implementation are read of it; the rest can change how weights are kept",
    ),
    Caveat(
        keys=("activation_offloading",),
        effect="activations are offloaded to the host: less memory than planned",
    ),
    Caveat(
        keys=("router_aux_loss_coef",),
        effect="the routers' logits are kept for an auxiliary loss: a little more memory than planned",
    ),
    Caveat(
        keys=("eos_token", "chat_template_path", "pad_token"),
        effect="a tokenizer with more tokens makes embeddings and head grow: planned with the checkpoint's",
        when=lambda values: on(values.get("chat_template_path")),
    ),
    Caveat(
        keys=("env",),
        effect="the environment can choose another allocator (PYTORCH_CUDA_ALLOC_CONF): planned with torch's default",
        when=lambda values: "ALLOC_CONF" in str(values.get("env")),
    ),
)  # fmt: skip

UNIMPORTANT = joined(
    training_arguments.UNIMPORTANT,
    {
        training_arguments.DATA: (
            "dataset_name dataset_config dataset_train_split dataset_test_split dataset_streaming datasets streaming "
            "test_split_size dataset_text_field dataset_kwargs dataset_num_proc dataset_batch_size truncation_mode "
            "shuffle_dataset completion_only_loss assistant_only_loss pad_to_multiple_of eval_packing "
            "packing_strategy columns fraction split path name data_dir data_files max_prompt_length"
        ),
        "it is about the model's kind of output and its buffers, not its size": "lora_task_type ignore_bias_buffers",
        "only --trust-remote-code lets a checkpoint's own code run here": "trust_remote_code",
        "it is about training that is not modelled": (
            "disable_dropout precompute_ref_batch_size f_alpha_divergence_coef use_weighting discopop_tau sync_ref_model "
            "ref_model_mixup_alpha ref_model_sync_steps cast_lm_head_to_fp32 num_generations_eval "
            "ds3_gather_for_generation generation_batch_size steps_per_generation temperature top_p top_k min_p "
            "generation_kwargs chat_template_kwargs repetition_penalty cache_implementation vllm_mode vllm_model_impl "
            "vllm_enable_sleep_mode vllm_structured_outputs_regex vllm_server_base_url vllm_server_host "
            "vllm_server_port vllm_server_timeout vllm_group_port vllm_gpu_memory_utilization vllm_max_model_length "
            "vllm_tensor_parallel_size epsilon delta epsilon_high sapo_temperature_neg sapo_temperature_pos vespo_k_pos "
            "vespo_lambda_pos vespo_k_neg vespo_lambda_neg importance_sampling_level reward_weights "
            "multi_objective_aggregation scale_rewards mask_truncated_completions top_entropy_quantile entropy_coef "
            "use_adaptive_entropy entropy_coef_min entropy_coef_max entropy_coef_delta entropy_target "
            "max_tool_calling_iterations vllm_importance_sampling_correction vllm_importance_sampling_mode "
            "vllm_importance_sampling_clip_max vllm_importance_sampling_clip_min off_policy_mask_threshold "
            "use_bias_correction_kl log_completions log_multimodal num_completions_to_print log_unique_prompts "
            "log_completions_hub_repo use_transformers_continuous_batching transformers_continuous_batching_config "
            "use_transformers_paged vllm_importance_sampling_cap normalize_advantages reward_clip_range "
            "teacher_model_revision teacher_model_init_kwargs reward_model_name_or_path"
        ),
    },
)
