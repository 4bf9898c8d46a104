"""What LLaMA-Factory does and a recipe cannot say, and its keys that take no memory on the device."""

from anatomy.trainers import training_arguments
from anatomy.trainers.evaluation import by_arguments, of_pairs
from anatomy.trainers.table import Caveat, Values, joined, on


def bits(values: Values) -> int | None:
    """4 or 8 where bitsandbytes quantizes the base to as many."""
    by_bnb = values.get("quantization_method", "bnb") in ("bnb", "bitsandbytes")
    return {"4": 4, "8": 8}.get(str(values.get("quantization_bit"))) if by_bnb else None


_MODULES = ("freeze_trainable_modules", "freeze_extra_modules")
_OPTIMIZERS = ("use_galore", "use_apollo", "use_badam", "use_adam_mini", "use_muon")


def _other_parts(values: Values) -> bool:
    """Blocks from the front, or other parts of the model than whole blocks and the head."""
    if values.get("finetuning_type") != "freeze":
        return False
    first = str(values.get("freeze_trainable_layers", 2)).startswith("-")
    return first or any(values.get(key) not in (None, "all", "lm_head") for key in _MODULES)


def is_dpo(values: Values) -> bool:
    """Whether the stage is DPO with its usual loss, as a recipe has it."""
    return values.get("stage") == "dpo" and values.get("pref_loss", "sigmoid") == "sigmoid"


CAVEATS = (
    *training_arguments.NOT_MODELLED,
    training_arguments.OTHER_OPTIMIZER,
    Caveat(
        keys=("stage",),
        effect="this stage makes other passes than supervised fine-tuning (a reference or reward model, generated text, "
        "pairs of answers): planned as that, which takes less",
        when=lambda values: values.get("stage", "sft") not in ("sft", "pt") and not is_dpo(values),
    ),
    Caveat(
        keys=("quantization_bit", "quantization_method"),
        effect="planned with 16-bit weights: these take fewer bytes, and their kernels others",
        when=lambda values: on(values.get("quantization_bit")) and bits(values) is None,
    ),
    Caveat(
        keys=("finetuning_type",),
        effect="the trained blocks are cast to fp32, which is not planned: 2 bytes a trained parameter more, as many for "
        "its gradient and 4 more for Adam's states",
        when=lambda values: values.get("finetuning_type") == "freeze" and not on(values.get("pure_bf16")),
    ),
    Caveat(
        keys=("freeze_trainable_layers", *_MODULES),
        effect="other parts than the last blocks and the head are trained: planned as the last blocks",
        when=_other_parts,
    ),
    Caveat(
        keys=_OPTIMIZERS,
        effect="another optimizer than `optim` names is used: its states may be of another size than those of any that is planned in its place",
        leaves_open="optimizer",
    ),
    Caveat(
        keys=("flash_attn",),
        effect="this attention implementation is not known; planned with sdpa, whose kernels keep and need others",
        when=lambda values: (
            values.get("flash_attn", "auto") not in ("auto", "sdpa", "disabled", "off", "fa2", False)
        ),
    ),
    Caveat(
        keys=("use_unsloth",),
        effect="unsloth's kernels keep fewer activations and offload checkpoints: less memory than planned",
    ),
    training_arguments.other_liger("enable_liger_kernel"),
    training_arguments.other_liger("use_liger_kernel"),
    Caveat(
        keys=("upcast_layernorm",),
        effect="norms are kept in fp32, and with them what goes into the next layers: more memory than planned",
    ),
    Caveat(
        keys=("upcast_lmhead_output",),
        effect="logits are cast to fp32 where they are made: more memory than planned without autocast",
    ),
    Caveat(
        keys=("resize_vocab", "add_tokens", "add_special_tokens", "new_special_tokens_config"),
        effect="embeddings and head change their number of rows: planned with the checkpoint's",
    ),
    Caveat(
        keys=("adapter_name_or_path",),
        effect="an adapter is loaded: its own rank and targets count, not the file's",
    ),
    Caveat(keys=("shift_attn",), effect="shifted sparse attention keeps others than planned"),
    Caveat(
        keys=("mixture_of_depths", "use_llama_pro"), effect="the model's blocks are changed: planned as they are"
    ),
    Caveat(
        keys=("use_dft_loss", "use_asft_loss", "use_eaft_loss"),
        effect="another loss than the model's own is computed: its logits take another amount",
    ),
    Caveat(
        keys=("fp8", "fp8_enable_fsdp_float8_all_gather"),
        effect="fp8 copies of weights and activations are made: planned without",
    ),
    Caveat(
        keys=("use_mca", "use_hyper_parallel", "use_kt", "kt_use_lora_experts", "use_v1_kernels"),
        effect="another engine runs the step: planned with transformers' own",
    ),
    Caveat(
        keys=("freeze_language_model",),
        effect="the language model is frozen, which is not planned: less memory",
    ),
    Caveat(
        keys=("freeze_vision_tower", "freeze_multi_modal_projector"),
        effect="parts for images are trained as well: more memory than planned",
        when=lambda values: any(
            not on(values.get(key, True)) for key in ("freeze_vision_tower", "freeze_multi_modal_projector")
        ),
    ),
    Caveat(
        keys=("rope_scaling",),
        effect="positions are scaled: planned with the config's own",
    ),
    Caveat(
        keys=("moe_aux_loss_coef",),
        effect="the routers' logits are kept for an auxiliary loss: a little more memory than planned",
    ),
    Caveat(
        keys=("enable_torch_profiler",), effect="the profiler keeps buffers of its own while it records"
    ),
    of_pairs(by_arguments, is_dpo),
    Caveat(
        keys=("predict_with_generate",),
        effect="evaluation generates text, whose cache is not planned: its peak can be higher than the training step's",
    ),
)  # fmt: skip

UNIMPORTANT = joined(
    training_arguments.UNIMPORTANT,
    {
        "LLaMA-Factory switches it by disable_gradient_checkpointing and use_reentrant_gc": " ".join(
            training_arguments.CHECKPOINT_KEYS
        ),
        training_arguments.DATA: (
            "template dataset dataset_dir media_dir train_on_prompt mask_history streaming buffer_size mix_strategy "
            "interleave_probs overwrite_cache preprocessing_batch_size preprocessing_num_workers max_samples "
            "ignore_pad_token_for_loss tool_format default_system enable_thinking preserve_thinking tokenized_path "
            "data_shared_file_system disable_shuffling image_max_pixels image_min_pixels image_do_pan_and_scan "
            "crop_to_patches video_max_pixels video_min_pixels video_fps video_maxlen use_audio_in_video "
            "audio_sampling_rate sortish_sampler reserved_label_len"
        ),
        "how the model is found takes no memory": (
            "cache_dir adapter_folder use_fast_tokenizer split_special_tokens init_special_tokens low_cpu_mem_usage "
            "offload_folder hf_hub_token ms_hub_token om_hub_token print_param_status device_map quantization_device_map "
            "compute_dtype model_max_length block_diag_attn kt_weight_path kt_expert_checkpoint_path kt_lora_expert_num "
            "kt_lora_expert_intermediate_size hyper_parallel_args"
        ),
        "values of weights take no memory": "train_from_scratch pissa_init pissa_iter pissa_convert create_new_adapter",
        training_arguments.PACE: (
            "loraplus_lr_ratio loraplus_lr_embedding early_stopping_steps compute_accuracy plot_loss "
            "include_effective_tokens_per_second asft_alpha eaft_alpha"
        ),
        "only --trust-remote-code lets a checkpoint's own code run here": "trust_remote_code",
        "it is about a stage that is not modelled": (
            "pref_beta pref_ftx pref_bco_weight dpo_label_smoothing kto_chosen_weight kto_rejected_weight "
            "simpo_gamma ppo_buffer_size ppo_epochs ppo_score_norm ppo_target ppo_whiten_rewards ref_model "
            "ref_model_adapters ref_model_quantization_bit reward_model reward_model_adapters "
            "reward_model_quantization_bit reward_model_type ld_alpha"
        ),
        "it matters with one optimizer only, which is not modelled": (
            "galore_target galore_rank galore_update_interval galore_scale galore_proj_type galore_layerwise apollo_target "
            "apollo_rank apollo_update_interval apollo_scale apollo_proj apollo_proj_type apollo_scale_type "
            "apollo_layerwise apollo_scale_front badam_mode badam_start_block badam_switch_mode badam_switch_interval "
            "badam_update_ratio badam_mask_mode badam_verbose"
        ),
        training_arguments.EVALUATED: "val_size eval_dataset",
        "it is about inference or export": (
            "infer_backend use_kv_cache infer_dtype export_dir export_size export_device export_quantization_bit "
            "export_quantization_dataset export_quantization_nsamples export_quantization_maxlen export_legacy_format "
            "export_hub_model_id vllm_maxlen vllm_gpu_util vllm_enforce_eager vllm_max_lora_rank vllm_config sglang_maxlen "
            "sglang_mem_fraction sglang_tp_size sglang_config sglang_lora_backend do_sample temperature top_p top_k "
            "num_beams max_length max_new_tokens repetition_penalty length_penalty skip_special_tokens eval_num_beams "
            "eval_on_each_dataset generation_max_length generation_num_beams generation_config"
        ),
        training_arguments.LOGGING: (
            "use_swanlab swanlab_project swanlab_workspace swanlab_run_name swanlab_mode swanlab_api_key swanlab_logdir "
            "swanlab_lark_webhook_url swanlab_lark_secret profiler_output_dir profiler_wait_steps profiler_warmup_steps "
            "profiler_active_steps profiler_repeat profiler_record_shapes profiler_profile_memory profiler_with_stack "
            "profile_modules"
        ),
        training_arguments.ONE_DEVICE: (
            "ray_num_workers ray_init_kwargs ray_run_name ray_storage_path resources_per_worker placement_strategy "
            "master_addr master_port"
        ),
        "it matters with fp8 only": "fp8_backend",
    },
)
