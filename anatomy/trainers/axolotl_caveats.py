"""What axolotl does and a recipe cannot say."""

from anatomy.trainers.evaluation import of_pairs
from anatomy.trainers.shared import attention, other_checkpointing, others_inside
from anatomy.trainers.table import Caveat, Values, on

_KERNELS = ("lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel", "lora_embedding_kernel")
_LIGER = (
    "liger_rope", "liger_rms_norm", "liger_rms_norm_gated", "liger_layer_norm", "liger_swiglu", "liger_glu_activation",
    "liger_cross_entropy", "liger_fused_linear_cross_entropy", "liger_use_token_scaling", "liger_kernel_impl",
)  # fmt: skip
_DEGREES = (
    "dp_shard_size",
    "tensor_parallel_size",
    "context_parallel_size",
    "sequence_parallel_degree",
    "expert_parallel_size",
)
_UNNEEDED_CAST = (None, "sdpa", "eager")


def _lora_kernels(values: Values) -> bool:
    """On by themselves with an adapter, but for reinforcement learning, 8 bits and a model's own code."""
    if any(values.get(key) is not None for key in _KERNELS):
        return any(on(values.get(key)) for key in _KERNELS)
    without = any(on(values.get(key)) for key in ("rl", "load_in_8bit", "trust_remote_code"))
    return values.get("adapter") in ("lora", "qlora") and not without


def _keeps_fp32(values: Values) -> bool:
    """Without an adapter, axolotl casts norms and embeddings to fp32, and back only for flash attention and the like."""
    cast_back = values.get("attn_implementation") not in _UNNEEDED_CAST or on(values.get("flash_attention"))
    return (
        values.get("adapter") is None
        and not cast_back
        and not _cut_cross_entropy(values)
        and not on(values.get("fsdp"))
        and not on(values.get("fsdp_config"))
        and (on(values.get("bf16")) or on(values.get("fp16")))
    )


def _plugins(values: Values) -> list[str]:
    listed = values.get("plugins")
    return [str(name) for name in listed] if isinstance(listed, list) else []


def _cut_cross_entropy(values: Values) -> bool:
    """Its plugin switches it on by itself."""
    by_itself = any("cut_cross_entropy" in name for name in _plugins(values))
    return on(values.get("cut_cross_entropy", by_itself)) and by_itself


def _foreign_plugin(values: Values) -> bool:
    known = ("cut_cross_entropy", "liger")
    return any(not any(part in name for part in known) for name in _plugins(values))


def int8(values: Values) -> bool:
    """Only with `adapter: lora` does axolotl quantize to 8 bits."""
    return values.get("adapter") == "lora" and on(values.get("load_in_8bit"))


def _offloads(values: Values) -> bool:
    kinds = ("offload", "offload_disk", "unsloth")
    return on(values.get("activation_offloading")) or values.get("gradient_checkpointing") in kinds


def offloads_checkpoints(values: Values) -> bool:
    """Whether checkpoints are kept and wait on the host. With an adapter, other activations take their place there."""
    at_boundaries = (
        values.get("activation_offloading") == "hidden_states"
        or values.get("gradient_checkpointing") == "unsloth"
    )
    return _offloads(values) and (at_boundaries or values.get("adapter") is None)


def evaluates(values: Values) -> bool:
    """Whether some examples are kept for evaluations."""
    some = any(str(values.get(key) or 0) not in ("0", "0.0") for key in ("val_set_size", "test_datasets"))
    return some and values.get("eval_strategy") not in ("no", False)


CAVEATS = (
    Caveat(
        keys=_KERNELS,
        effect="fused LoRA kernels, which axolotl switches on by itself, keep fewer activations: less memory than planned",
        when=_lora_kernels,
    ),
    Caveat(
        keys=("attn_implementation", "flash_attention"),
        effect="without flash attention axolotl keeps norms, embeddings and head in fp32 when every weight is trained: "
        "2 bytes a parameter of these more, and as many for gradients, 4 more for Adam's states",
        when=_keeps_fp32,
    ),
    Caveat(
        keys=("attn_implementation",),
        effect="this attention implementation is not known; planned with sdpa, whose kernels keep and need others",
        when=lambda values: (
            on(values.get("attn_implementation")) and not attention(values["attn_implementation"])
        ),
    ),
    Caveat(
        keys=("xformers_attention", "sage_attention", "flex_attention"),
        effect="this attention implementation is not known; planned with sdpa, whose kernels keep and need others",
    ),
    Caveat(
        keys=("gradient_checkpointing", "activation_offloading"),
        effect="with an adapter all activations are offloaded, in the place of checkpoints: planned with checkpoints that "
        "stay on the device, which is more",
        when=lambda values: _offloads(values) and not offloads_checkpoints(values),
    ),
    other_checkpointing("gradient_checkpointing_kwargs"),
    others_inside(
        "bnb_config_kwargs",
        ("bnb_4bit_quant_type", "bnb_4bit_use_double_quant", "bnb_4bit_quant_storage", "llm_int8_skip_modules", "load_in_4bit"),
        "of it, only the code, double quantization, the storage and what is skipped are read",
    ),
    Caveat(
        keys=("selective_checkpointing",), effect="some operators' outputs are kept: more memory than planned"
    ),
    Caveat(
        keys=("layer_offloading", "ple_cpu_offload", "lora_on_cpu", "relora_cpu_offload"),
        effect="weights wait on the host: less memory than planned",
    ),
    Caveat(
        keys=("plugins", "cut_cross_entropy"),
        effect="cut-cross-entropy never holds the logits: less memory than planned",
        when=_cut_cross_entropy,
    ),
    Caveat(
        keys=("plugins",), effect="a plugin can change the model and the step: planned without it", when=_foreign_plugin
    ),
    Caveat(
        keys=_LIGER,
        effect="Liger's kernels keep fewer activations, and its fused loss no logits: less memory than planned",
    ),
    Caveat(
        keys=("flash_attn_cross_entropy", "use_eaft"),
        effect="another loss than the model's own is computed: its logits take another amount",
    ),
    Caveat(
        keys=("chunked_cross_entropy_num_chunks",),
        effect="the loss is planned in axolotl's usual 8 pieces",
        when=lambda values: (
            on(values.get("chunked_cross_entropy")) and values.get("chunked_cross_entropy_num_chunks") not in (None, 8)
        ),
    ),
    Caveat(
        keys=("tiled_mlp",), effect="the feed-forward layers run piece by piece: less memory than planned"
    ),
    Caveat(
        keys=("flash_attn_fuse_mlp", "flash_attn_rms_norm", "flash_optimum", "fused_attn_kernel", "use_kernels"),
        effect="fused kernels keep other activations than the model's own code",
    ),
    Caveat(
        keys=(
            "flash_attn_d512", "gemma4_hybrid_attn_impl", "large_head_attention", "sdpa_varlen", "s2_attention",
            "scaling_softmax",
        ),
        effect="a special kernel of attention is used: it keeps and needs others than planned",
    ),
    Caveat(
        keys=("rl", "ebft"),
        effect="preference and reinforcement training make several passes, with a reference model or generated text: "
        "planned as supervised fine-tuning, which takes less",
        when=lambda values: on(values.get("ebft")) or values.get("rl") not in (None, False, "dpo"),
    ),
    Caveat(
        keys=("reward_model", "process_reward_model", "num_labels", "do_causal_lm_eval"),
        effect="another head or another evaluation: planned with the model's own head",
    ),
    Caveat(keys=("trainer_cls",), effect="a trainer of your own can do anything else"),
    Caveat(
        keys=("unfrozen_parameters", "freeze_mm_modules", "spectrum_top_fraction", "lisa_n_layers"),
        effect="only a part of the weights is trained: planned with all of them, which takes more",
        when=lambda values: (
            values.get("adapter") is None
            and any(
                on(values.get(key))
                for key in ("unfrozen_parameters", "freeze_mm_modules", "spectrum_top_fraction", "lisa_n_layers")
            )
        ),
    ),
    Caveat(
        keys=("lora_model_dir",), effect="an adapter is loaded: its own rank and targets count, not the file's"
    ),
    Caveat(
        keys=("relora", "qat", "use_onebitllms", "mora", "diffusion", "dense_mixer"),
        effect="the model is changed in a way that is not planned",
    ),
    Caveat(
        keys=("peft_layer_replication",), effect="blocks are run several times: more memory than planned"
    ),
    Caveat(
        keys=("gptq", "model_quantization_config", "model_quantization_config_kwargs", "quantize_moe_experts"),
        effect="a quantization that is chosen at loading is planned without; one that the checkpoint's config has, as it is",
    ),
    Caveat(
        keys=("fp8", "fp8_config", "fp8_enable_fsdp_float8_all_gather"),
        effect="fp8 copies of weights and activations are made: planned in bf16",
    ),
    Caveat(
        keys=("fp32_norms", "fp32_norm_classes"),
        effect="norms are kept in fp32: a little more memory than planned",
    ),
    Caveat(
        keys=("tokens", "resize_token_embeddings_to_32x", "shrink_embeddings"),
        effect="embeddings and head change their number of rows: planned with the checkpoint's",
    ),
    Caveat(
        keys=("neftune_noise_alpha", "noisy_embedding_alpha"),
        effect="noise of the size of the embeddings' output is added: a little more memory",
    ),
    Caveat(
        keys=("torch_compile", "deepcompile"),
        effect="a compiled step keeps other activations and buffers: the numbers are those of the step as it is written",
    ),
    Caveat(
        keys=(
            "deepspeed", "fsdp", "fsdp_config", "dp_shard_size", "tensor_parallel_size", "context_parallel_size",
            "sequence_parallel_degree", "expert_parallel_size",
        ),
        effect="weights, states or sequences are split between devices or offloaded: less memory on each than planned",
        when=lambda values: (
            any(on(values.get(key)) for key in ("deepspeed", "fsdp", "fsdp_config"))
            or any(values.get(key) not in (None, 1) for key in _DEGREES)
        ),
    ),
    Caveat(
        keys=("do_bench_eval", "generate_samples"),
        effect="evaluation generates text, whose cache is not planned: its peak can be higher than the training step's",
    ),
    of_pairs(evaluates, lambda values: on(values.get("rl")), ("val_set_size", "test_datasets")),
    Caveat(
        keys=("auto_find_batch_size",), effect="the batch is halved until it fits: planned as it is written"
    ),
    Caveat(
        keys=("torch_empty_cache_steps", "gc_steps"),
        effect="the cache is emptied between steps: less may be reserved",
    ),
    Caveat(
        keys=("use_pose", "curriculum_sampling"), effect="sequences are put together otherwise than planned"
    ),
    Caveat(
        keys=("image_size", "image_resize_algorithm"),
        effect="images are part of the batch: planned with text alone",
    ),
    Caveat(
        keys=("kd_trainer", "kd_online_server_base_url", "nemo_gym_dir", "hatchery"),
        effect="another training than supervised fine-tuning: planned as that",
    ),
    Caveat(
        keys=(
            "use_scattermoe", "use_sonicmoe", "use_dsv4_kernels", "use_glm_dsa_kernels", "expert_backend",
            "nonexpert_quantization", "moe_grouped_backend", "moe_bnb_fast", "dsv4_fp8_nonexpert_mode",
            "dsv4_fp8_lora_kernel", "dsv4_shared_mlp_lora_kernel", "dsv4_bf16_all", "dsv4_fp4_grouped_mode",
            "gemma4_fp8_nonexpert", "gemma4_nf4_nonexpert", "experts_implementation", "llama4_linearized_experts",
        ),
        effect="experts run through other kernels or formats: they keep and need others than planned",
    ),
    Caveat(
        keys=("overrides_of_model_kwargs",), effect="arguments of from_pretrained can change how weights are loaded"
    ),
)  # fmt: skip
