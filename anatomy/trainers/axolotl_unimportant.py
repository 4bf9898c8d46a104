"""axolotl's keys that take no memory on the device, and why."""

from anatomy.trainers.training_arguments import DATA, EVALUATED, LOGGING, ONE_DEVICE, PACE, SAVING

UNIMPORTANT = {
    PACE: (
        "learning_rate embedding_lr embedding_lr_scale lr_scheduler lr_scheduler_kwargs lr_quadratic_warmup "
        "cosine_min_lr_ratio cosine_constant_lr_ratio lr_div_factor lr_groups adam_epsilon adam_epsilon2 adam_beta1 "
        "adam_beta2 adam_beta3 num_epochs max_steps warmup_steps warmup_ratio loraplus_lr_ratio loraplus_lr_embedding "
        "jagged_restart_steps jagged_restart_warmup_steps jagged_restart_anneal_steps seed resume_from_checkpoint "
        "auto_resume_from_checkpoints early_stopping_patience loss_watchdog_threshold loss_watchdog_patience "
        "gc_collect_steps strict grokfast_alpha grokfast_lamb lisa_step_interval lisa_layers_attribute "
        "relora_steps relora_warmup_steps relora_anneal_steps relora_prune_ratio relora_prune_method"
    ),
    "it matters with one optimizer only, which is not modelled": (
        "dion_lr dion_momentum dion_rank_fraction dion_rank_multiple_of qgalore_rank qgalore_update_proj_gap qgalore_scale "
        "qgalore_proj_type qgalore_proj_quant qgalore_proj_bits qgalore_proj_group_size qgalore_cos_threshold "
        "qgalore_gamma_proj qgalore_queue_size torchdistx_path"
    ),
    LOGGING: (
        "logging_steps use_tensorboard profiler_steps profiler_steps_start include_tokens_per_second include_tkps "
        "use_wandb wandb_name wandb_run_id wandb_mode wandb_project wandb_entity wandb_watch wandb_log_model "
        "use_mlflow mlflow_tracking_uri mlflow_experiment_name mlflow_run_name hf_mlflow_log_artifacts "
        "use_comet comet_api_key comet_workspace comet_project_name comet_experiment_key comet_mode comet_online "
        "comet_experiment_config use_trackio trackio_project_name trackio_run_name trackio_space_id use_otel_metrics "
        "otel_metrics_host otel_metrics_port use_swanlab swanlab_project swanlab_experiment_name swanlab_description "
        "swanlab_mode swanlab_workspace swanlab_api_key swanlab_log_model swanlab_web_host swanlab_api_host "
        "swanlab_lark_webhook_url swanlab_lark_secret swanlab_log_completions swanlab_completion_log_interval "
        "swanlab_completion_max_buffer"
    ),
    SAVING: (
        "output_dir hub_model_id hub_strategy hub_revision save_safetensors save_steps saves_per_epoch save_strategy "
        "save_total_limit save_first_step save_only_model load_best_model_at_end metric_for_best_model greater_is_better "
        "push_dataset_to_hub hf_use_auth_token dynamic_checkpoint fsdp_final_state_dict_type merge_lora merge_method "
        "llmcompressor quantization tokenizer_save_jinja_files"
    ),
    DATA: (
        "datasets dataset_prepared_path dataset_shard_num dataset_shard_idx skip_prepare_dataset "
        "num_dataset_shards_to_save pretraining_dataset dataset_processes dataset_num_proc dataset_exact_deduplication "
        "dataset_keep_in_memory dataloader_pin_memory dataloader_num_workers dataloader_prefetch_factor "
        "dataloader_drop_last accelerator_config remove_unused_columns shuffle_merged_datasets "
        "shuffle_before_merging_datasets group_by_length train_on_inputs chat_template chat_template_jinja "
        "chat_template_kwargs eot_tokens default_system_message fix_untrained_tokens is_preprocess preprocess_iterable "
        "streaming streaming_multipack_buffer_size role_boundaries pretrain_multipack_buffer_size "
        "pretrain_multipack_attn pretraining_sample_concatenation excess_length_strategy min_sample_len max_prompt_len "
        "total_num_tokens total_supervised_tokens pose_split_on_token_ids pose_max_context_len pose_num_chunks "
        "max_packed_sequence_len"
    ),
    "which sequences are packed together takes no memory": (
        "sample_packing_group_size sample_packing_bin_size sample_packing_sequentially sample_packing_mp_start_method "
        "sample_packing_eff_est multipack_real_batches batch_flattening pad_to_multiple_of"
    ),
    EVALUATED: (
        "eval_sequence_len eval_sample_packing eval_steps evals_per_epoch eval_causal_lm_metrics "
        "eval_table_size eval_max_new_tokens bench_dataset bench_split num_generation_samples generation_max_new_tokens "
        "generation_temperature generation_top_p generation_top_k generation_prompt_ratio generation_do_sample "
        "lm_eval_tasks lm_eval_batch_size lm_eval_post_train lm_eval_model"
    ),
    "it is about training that is not modelled": (
        "trl vllm orpo_alpha simpo_gamma cpo_alpha kto_desirable_weight kto_undesirable_weight rl_beta dpo_beta rpo_alpha "
        "dpo_use_weighting dpo_label_smoothing precompute_ref_log_probs dpo_use_liger_kernel dpo_padding_free "
        "dpo_loss_type dpo_loss_weights dpo_use_logits_to_keep dpo_generate_during_eval dpo_norm_loss "
        "center_rewards_coefficient eaft_alpha eaft_k scaling_softmax_factor scaling_softmax_bias "
        "tiled_mlp_num_shards tiled_mlp_use_original_mlp flex_attn_compile_kwargs "
        "kd_ce_alpha kd_alpha kd_temperature kd_beta kd_normalize_topk kd_online_topk kd_online_server kd_online_timeout "
        "kd_temperature_min nemo_gym_enabled nemo_gym_auto_clone nemo_gym_config_paths nemo_gym_head_port "
        "nemo_gym_server_timeout nemo_gym_verify_timeout nemo_gym_run_timeout nemo_gym_datasets nemo_gym_auto_start "
        "nemo_gym_model_name nemo_gym_multi_turn nemo_gym_max_turns moe_dequant_chunk_size nvfp4_merge_aware "
        "nvfp4_merge_aware_start_step spectrum_model_name"
    ),
    "the tokenizer and the processor take no memory on the device": (
        "tokenizer_config tokenizer_use_fast tokenizer_legacy tokenizer_use_mistral_common tokenizer_type processor_type "
        "processor_kwargs special_tokens added_tokens_overrides"
    ),
    "the model is found and built by its config here": (
        "base_model_config cls_model_config type_of_model is_falcon_derived_model is_llama_derived_model "
        "is_mistral_derived_model is_qwen_derived_model rope_scaling axolotl_config_path"
    ),
    "values of weights take no memory": (
        "reinit_weights mean_resizing_embeddings peft_init_lora_weights peft lora_fan_in_fan_out"
    ),
    "the weights are on the device before the first step either way": (
        "low_cpu_mem_usage experimental_skip_move_to_device qlora_sharded_model_loading device device_map max_memory "
        "gpu_memory_limit"
    ),
    "only --trust-remote-code lets a checkpoint's own code run here": "trust_remote_code",
    "embeddings end up in the compute dtype either way": "embeddings_skip_upcast",
    "it changes how fp32 is multiplied, not what is stored": "tf32",
    "axolotl reads it only when it shards a quantized model": "float32",
    "it matters with torch_compile only": "torch_compile_backend torch_compile_mode torch_compile_options",
    ONE_DEVICE: (
        "world_size local_rank ddp ddp_timeout ddp_bucket_cap_mb ddp_broadcast_buffers ddp_find_unused_parameters "
        "fsdp_version dp_replicate_size heads_k_stride ring_attn_func use_ray ray_run_name ray_num_workers "
        "resources_per_worker expert_parallel_backend expert_parallel_num_nvl_bytes expert_parallel_num_rdma_bytes "
        "expert_parallel_token_capacity expert_parallel_fallback_on_unsupported"
    ),
    "it is about a demonstration after training": (
        "gradio_title gradio_share gradio_server_name gradio_server_port gradio_max_new_tokens gradio_temperature"
    ),
}
