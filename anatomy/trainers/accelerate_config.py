"""The YAML that `accelerate config` writes: how a script is launched. Schema: accelerate 1.15.0, `config_args.py`."""

from anatomy.trainers.shared import STORED, STORED_WORDS, precision
from anatomy.trainers.table import Caveat, Rule, Settings, Trainer, Values, on
from anatomy.trainers.training_arguments import ONE_DEVICE


def _precision(values: Values) -> Settings:
    mixed = str(values["mixed_precision"])
    return precision(mixed if mixed in ("bf16", "fp16") else None, STORED)


def _several(values: Values) -> bool:
    return str(values.get("distributed_type", "NO")).upper() not in ("NO", "FALSE") and not (
        str(values.get("distributed_type")).upper().startswith("MULTI_")
    )


ACCELERATE = Trainer(
    kind="accelerate",
    name="accelerate",
    version="accelerate 1.15.0",
    rules=(Rule(keys=("mixed_precision",), settings=_precision),),
    caveats=(
        Caveat(
            keys=("distributed_type", "fsdp_config", "deepspeed_config", "megatron_lm_config", "parallelism_config"),
            effect="weights, gradients and states are split between devices or offloaded: less memory on each than planned",
            when=lambda values: (
                _several(values)
                or any(on(values.get(key)) for key in ("fsdp_config", "deepspeed_config", "megatron_lm_config"))
            ),
        ),
        Caveat(
            keys=("num_processes", "distributed_type"),
            effect="with several processes each keeps buckets of gradients as large as the trained weights: planned as one",
            when=lambda values: str(values.get("distributed_type", "NO")).upper().startswith("MULTI_"),
        ),
        Caveat(
            keys=("mixed_precision", "fp8_config"),
            effect="fp8 copies of weights and activations are made: planned without",
            when=lambda values: values.get("mixed_precision") == "fp8" or on(values.get("fp8_config")),
        ),
        Caveat(
            keys=("dynamo_config",),
            effect="a compiled step keeps other activations and buffers: the numbers are those of the step as it is written",
        ),
        Caveat(keys=("use_cpu",), effect="the run is not on a GPU; the plan is for one"),
    ),
    unimportant={
        ONE_DEVICE: (
            "num_machines machine_rank main_process_ip main_process_port rdzv_backend same_network mpirun_config "
            "enable_cpu_affinity gpu_ids"
        ),
        "where and how the script is started takes no memory": (
            "compute_environment debug main_training_function command_file commands ec2_instance_type iam_role_name "
            "image_uri profile region base_job_name pytorch_version transformers_version py_version "
            "sagemaker_inputs_file sagemaker_metrics_file additional_args config_version"
        ),
        "it is about TPUs": (
            "downcast_bf16 tpu_name tpu_zone tpu_use_cluster tpu_use_sudo tpu_vm tpu_env tpu_version tpu_command"
        ),
        "it matters with another device only": "ipex_config xpu_config",
    },
    defaults={"mixed_precision": "no"},
    settled={"method": "full"},
    assumed=lambda values: (
        "accelerate's config says how a script is launched, not what it trains: every weight and the recipe's own "
        "defaults, but for flags",
        STORED_WORDS,
    ),
)  # fmt: skip
