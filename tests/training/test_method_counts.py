"""'trainable params || all params' of methods beside LoRA, as others printed them, from our own recipe on meta."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import pytest
from packaging.version import Version

from anatomy import source
from anatomy.architecture.skeleton import build_skeleton
from anatomy.errors import RecipeError
from anatomy.planning.settings import make_recipe
from anatomy.training.methods import apply_method

RESULTS = "huggingface/peft: method_comparison/MetaMathQA/results"
Q_AND_V = ("q_proj", "v_proj")


@dataclass(frozen=True, kw_only=True)
class Printed:
    """One count that was printed. Without a model: Llama-3.2-3B, adapted in its q_proj and v_proj."""

    trainable: int
    total: int
    source: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    peft: Mapping[str, Any] = field(default_factory=dict)
    model: str = "meta-llama/Llama-3.2-3B"
    architecture: str | None = None

    def __str__(self) -> str:
        name = self.source.rpartition("/")[2]
        return name.removesuffix(".json").removesuffix(".ipynb").replace("--llama-3.2-3B", "")


def result(name: str, trainable: int, total: int, settings: Mapping[str, Any], **peft: Any) -> Printed:
    """A file of PEFT's results for Llama-3.2-3B."""
    return Printed(
        source=f"{RESULTS}/{name}.json", trainable=trainable, total=total, settings=settings, peft=peft
    )


def q_v(method: str, **settings: Any) -> dict[str, Any]:
    """A named method, or a type by PEFT's name, in q_proj and v_proj."""
    named = {"peft_type": method} if method.isupper() else {"method": method}
    return {**named, "target_modules": Q_AND_V, **settings}


LLAMA = "llama-3.2-3B"
PRINTED = (
    Printed(
        model="bigscience/bloom-560m",
        settings={"method": "p-tuning"},
        peft={"num_virtual_tokens": 20, "encoder_hidden_size": 128},
        trainable=300_288,
        total=559_514_880,
        source="huggingface/peft: docs/source/package_reference/p_tuning.md",
    ),
    Printed(
        model="bigscience/bloom-560m",
        settings={"method": "ln-tuning"},
        trainable=100_352,
        total=559_314_944,
        source="huggingface/peft: examples/causal_language_modeling/peft_ln_tuning_clm.ipynb",
    ),
    Printed(
        model="bigscience/bloom-560m",
        settings={"method": "prefix-tuning"},
        peft={"num_virtual_tokens": 30},
        trainable=1_474_560,
        total=560_689_152,
        source="huggingface/peft: examples/causal_language_modeling/peft_prefix_tuning_clm.ipynb",
    ),
    Printed(
        model="FacebookAI/roberta-base",
        architecture="RobertaForSequenceClassification",
        settings={"method": "fourierft", "target_modules": ("query", "value")},
        peft={"n_frequency": 1000, "scaling": 150.0},
        trainable=616_130,  # the classifier's trainable copy among them
        total=125_263_300,
        source="huggingface/peft: examples/sequence_classification/FourierFT.ipynb",
    ),
    result(
        f"adalora--{LLAMA}-rank32", 18_353_664, 3_231_103_544, q_v("adalora", r=64, alpha=8),
        target_r=32, tinit=200, tfinal=500, total_step=5000,
    ),
    result(f"c3a--{LLAMA}-default", 5_505_024, 3_218_254_848, q_v("C3A"), block_size=64),
    result(
        f"deft--{LLAMA}-rank32-para", 3_670_016, 3_216_419_840, q_v("DEFT", r=32),
        decomposition_method="qr", para=True,
    ),
    result(f"fourierft--{LLAMA}-n_frequency-5000", 280_000, 3_213_029_824, q_v("fourierft"), n_frequency=5000),
    result(f"glora--{LLAMA}-default", 4_587_520, 3_217_337_344, q_v("GLORA", r=8)),
    result(f"gralora--{LLAMA}-rank32", 9_175_040, 3_221_924_864, q_v("gralora", r=32)),
    result(f"hira--{LLAMA}-rank32-lr4.5e-3", 9_175_040, 3_221_924_864, q_v("HIRA", r=32)),
    result(f"ia3--{LLAMA}-default", 286_720, 3_213_036_544, {"method": "ia3"}),
    result(
        f"ia3--{LLAMA}-lr_0.001", 286_720, 3_213_036_544,
        {"method": "ia3", "target_modules": ("k_proj", "v_proj", "down_proj")},
        feedforward_modules=["down_proj"],
    ),
    result(f"ln_tuning--{LLAMA}-default", 175_104, 3_212_924_928, {"method": "ln-tuning"}),
    result(f"loha--{LLAMA}-rank32", 18_350_080, 3_231_099_904, q_v("loha", r=32)),
    result(
        f"lokr--{LLAMA}-rank32-factor4-lr0.003", 2_294_656, 3_215_044_480, q_v("lokr", r=32), decompose_factor=4
    ),
    result(f"lora--{LLAMA}-rank32-dora", 9_289_728, 3_222_039_552, q_v("dora", r=32)),
    result(
        f"lora--{LLAMA}-rank32-mica", 5_505_024, 3_221_924_864, q_v("lora", r=32), init_lora_weights="mica"
    ),
    result(f"miss--{LLAMA}-default", 7_340_032, 3_220_089_856, q_v("miss")),
    result(f"oft--{LLAMA}-rank32", 8_171_520, 3_220_921_344, q_v("oft"), r=32, oft_block_size=0),
    result(f"peanut--{LLAMA}-rank32-relu-depth0-s2.0", 7_340_032, 3_220_089_856, q_v("PEANUT"), scaling=2.0),
    result(
        f"prefixtuning--{LLAMA}-lr_0.001", 11_468_800, 3_224_218_624, {"method": "prefix-tuning"},
        num_virtual_tokens=200,
    ),
    result(
        f"prompt_tuning--{LLAMA}-default", 614_400, 3_213_364_224, {"method": "prompt-tuning"},
        num_virtual_tokens=200,
    ),
    result(
        f"prompt_tuning--{LLAMA}-sample_vocab-lr_0.001", 614_400, 3_213_364_224, {"method": "prompt-tuning"},
        num_virtual_tokens=200, prompt_tuning_init="SAMPLE_VOCAB",
    ),
    result(
        f"psoft--{LLAMA}-fast", 1_856_512, 3_214_606_336, q_v("PSOFT", r=256, alpha=256),
        psoft_svd="lowrank", use_cayley_neumann=True,
    ),
    result(
        f"ptuning--{LLAMA}-default", 28_382_208, 3_241_132_032, {"method": "p-tuning"},
        num_virtual_tokens=20, encoder_hidden_size=3072,
    ),
    result(f"pvera--{LLAMA}-rank64", 121_856, 3_212_871_680, q_v("PVERA", r=64)),
    result(f"tinylora--{LLAMA}-weight-tying", 64, 3_212_749_888, q_v("TINYLORA"), weight_tying=1.0),
    result(f"vera--{LLAMA}-default", 129_024, 3_212_878_848, q_v("vera")),
)  # fmt: skip


SLOW = ("n_frequency-5000",)
"""PEFT draws as many places for each of its weights, one after the other."""


@pytest.mark.parametrize(
    "printed",
    [pytest.param(p, marks=pytest.mark.slow if str(p).endswith(SLOW) else ()) for p in PRINTED],
    ids=str,
)
def test_counts_are_those_that_peft_printed(printed: Printed) -> None:
    import torch

    overrides = {"architectures": [printed.architecture]} if printed.architecture else {}
    model = build_skeleton(
        source.load(printed.model, overrides=overrides, headers=False), dtype="bfloat16"
    ).model
    recipe = make_recipe({**printed.settings, "peft": dict(printed.peft), "gradient_checkpointing": "off"})
    try:
        with torch.device("meta"):
            adapted = apply_method(model, recipe)
    except (RecipeError, ValueError):
        if Version(version("peft")) >= Version("0.21"):
            raise
        pytest.skip("newer than the installed peft")
    assert adapted.get_nb_trainable_parameters() == (printed.trainable, printed.total)
