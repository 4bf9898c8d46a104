"""What llama.cpp's conversion makes of a model's parameters: the roles by which its quantizer chooses types.

Source: llama.cpp, conversion/ (what each class becomes) and src/llama-quant.cpp: `tensor_get_category`,
`tensor_allows_quantization`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from anatomy.architecture.anatomy import Anatomy
from anatomy.architecture.facts import Facts
from anatomy.architecture.vocabulary import says
from anatomy.formats.weights import Weight, weights_of

Role = Literal[
    "token_embd", "output", "attn_v", "attn_k", "attn_output", "ffn_down", "other", "kept"
]  # fmt: skip
"""llama.cpp's categories as far as its rules tell them apart; a fused q, k, v counts as 'attn_v'; 'kept' stays float32."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GgufTensor:
    """One tensor of a GGUF file."""

    role: Role
    columns: int
    """Length of a row: blocks are cut from rows."""
    elements: int
    layer: int | None = None
    """The number of its layer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Converted:
    """A model as llama.cpp has it."""

    architecture: str
    """llama.cpp's name of the architecture."""
    tensors: tuple[GgufTensor, ...]
    """In the order of layers."""
    experts: int
    """Routed experts of a layer; 1 of a dense model."""
    grouped: int
    """Query heads that share a key and value head; latent attention is converted to one shared head."""
    layers: int
    seventy_b: bool
    """Whether llama.cpp takes it for a model of the 70B kind, whose value projections get more bits."""
    apart: int = 0
    """Parameters of towers and projectors, which go into a file of their own (mmproj)."""


ARCHITECTURES: dict[str, str] = {
    "ArceeForCausalLM": "arcee",
    "BloomForCausalLM": "bloom",
    "Cohere2ForCausalLM": "cohere2",
    "CohereForCausalLM": "command-r",
    "DeepseekV2ForCausalLM": "deepseek2",
    "DeepseekV3ForCausalLM": "deepseek2",
    "Dots1ForCausalLM": "dots1",
    "Ernie4_5ForCausalLM": "ernie4_5",
    "Exaone4ForCausalLM": "exaone4",
    "FalconForCausalLM": "falcon",
    "GPT2LMHeadModel": "gpt2",
    "GPTBigCodeForCausalLM": "starcoder",
    "GPTNeoXForCausalLM": "gptneox",
    "Gemma2ForCausalLM": "gemma2",
    "Gemma3ForCausalLM": "gemma3",
    "Gemma3ForConditionalGeneration": "gemma3",
    "GemmaForCausalLM": "gemma",
    "Glm4ForCausalLM": "glm4",
    "GlmForCausalLM": "chatglm",
    "GraniteForCausalLM": "granite",
    "GraniteMoeForCausalLM": "granitemoe",
    "HunYuanDenseV1ForCausalLM": "hunyuan-dense",
    "Llama4ForConditionalGeneration": "llama4",
    "LlamaForCausalLM": "llama",
    "LlavaForConditionalGeneration": "llama",
    "MiniMaxM2ForCausalLM": "minimax-m2",
    "Mistral3ForConditionalGeneration": "mistral3",
    "MistralForCausalLM": "llama",
    "MixtralForCausalLM": "llama",
    "MptForCausalLM": "mpt",
    "NemotronForCausalLM": "nemotron",
    "Olmo2ForCausalLM": "olmo2",
    "Olmo3ForCausalLM": "olmo2",
    "OlmoForCausalLM": "olmo",
    "OlmoeForCausalLM": "olmoe",
    "Phi3ForCausalLM": "phi3",
    "PhiForCausalLM": "phi2",
    "PhimoeForCausalLM": "phimoe",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen2MoeForCausalLM": "qwen2moe",
    "Qwen2VLForConditionalGeneration": "qwen2vl",
    "Qwen2_5_VLForConditionalGeneration": "qwen2vl",
    "Qwen3ForCausalLM": "qwen3",
    "Qwen3MoeForCausalLM": "qwen3moe",
    "Qwen3VLForConditionalGeneration": "qwen3vl",
    "Qwen3VLMoeForConditionalGeneration": "qwen3vlmoe",
    "SeedOssForCausalLM": "seed_oss",
    "SmolLM3ForCausalLM": "smollm3",
    "StableLmForCausalLM": "stablelm",
    "Starcoder2ForCausalLM": "starcoder2",
}
"""Class of transformers -> architecture of llama.cpp: those whose conversion follows from what their parameters are.

Source: llama.cpp, conversion/__init__.py, TEXT_MODEL_MAP, and the classes that it names.
"""

OTHERS: frozenset[str] = frozenset(
    (
        "AfmoeForCausalLM ApertusForCausalLM AudioFlamingo3ForConditionalGeneration BambaForCausalLM"
        " BertForMaskedLM BertForSequenceClassification BertModel BitNetForCausalLM BloomModel CamembertModel"
        " ChameleonForConditionalGeneration Cohere2MoeForCausalLM DbrxForCausalLM DeepseekV32ForCausalLM"
        " DistilBertForMaskedLM DistilBertForSequenceClassification DistilBertModel Ernie4_5_MoeForCausalLM"
        " EuroBertModel Exaone4_5_ForConditionalGeneration ExaoneMoeForCausalLM FalconH1ForCausalLM"
        " FalconMambaForCausalLM Gemma3TextModel Gemma3nForCausalLM Gemma3nForConditionalGeneration"
        " Gemma4AssistantForCausalLM Gemma4ForCausalLM Gemma4ForConditionalGeneration"
        " Gemma4UnifiedForConditionalGeneration Glm4MoeForCausalLM Glm4MoeLiteForCausalLM"
        " Glm4vForConditionalGeneration Glm4vMoeForConditionalGeneration GlmMoeDsaForCausalLM"
        " GlmOcrForConditionalGeneration GptOssForCausalLM GraniteMoeHybridForCausalLM"
        " GraniteMoeSharedForCausalLM GraniteSpeechForConditionalGeneration"
        " GraniteSpeechPlusForConditionalGeneration HunYuanMoEV1ForCausalLM HunYuanVLForConditionalGeneration"
        " Jais2ForCausalLM JambaForCausalLM JanusForConditionalGeneration Lfm2ForCausalLM Lfm2Model"
        " Lfm2MoeForCausalLM Llama4ForCausalLM LlamaModel MT5ForConditionalGeneration Mamba2ForCausalLM"
        " MambaForCausalLM MellumForCausalLM MiMoV2FlashForCausalLM MiniCPM3ForCausalLM Ministral3ForCausalLM"
        " ModernBertForMaskedLM ModernBertForSequenceClassification ModernBertModel NemotronHForCausalLM"
        " NomicBertModel PaddleOCRVLForConditionalGeneration Qwen2AudioForConditionalGeneration Qwen2Model"
        " Qwen2VLModel Qwen3Model Qwen3NextForCausalLM Qwen3OmniMoeForConditionalGeneration Qwen3_5ForCausalLM"
        " Qwen3_5ForConditionalGeneration Qwen3_5MoeForCausalLM Qwen3_5MoeForConditionalGeneration"
        " RobertaForSequenceClassification RobertaModel SolarOpenForCausalLM T5EncoderModel"
        " T5ForConditionalGeneration UMT5ForConditionalGeneration UMT5Model VoxtralForConditionalGeneration"
        " XLMRobertaForSequenceClassification XLMRobertaModel"
    ).split()
)
"""Classes that llama.cpp converts too, by rules of their own that are not restated here."""

_APART = frozenset(("vision", "audio", "projector"))
_ROLES: dict[tuple[str, ...], Role] = {
    ("embedding",): "token_embd",
    ("head",): "output",
    ("position",): "kept",
    ("norm",): "kept",
    ("router",): "kept",
    ("attention.query",): "other",
    ("attention.key",): "attn_k",
    ("attention.value",): "attn_v",
    ("attention.query", "attention.key", "attention.value"): "attn_v",
    ("attention.output",): "attn_output",
    ("ffn.gate",): "other",
    ("ffn.up",): "other",
    ("ffn.gate", "ffn.up"): "other",
    ("ffn.down",): "ffn_down",
}
"""Components of a matrix -> its role."""


def converted(anatomy: Anatomy) -> Converted | str:
    """The tensors that llama.cpp would have of a model; or why that is not known, as a sentence."""
    name = anatomy.architecture
    if name not in ARCHITECTURES:
        return _unknown(name)
    facts = anatomy.facts
    if not (facts.layers and facts.heads and facts.kv_heads):
        return "its heads differ from layer to layer, which these rules do not cover"
    weights = [w for w in weights_of(anatomy) if not _APART & set(w.components)]
    tensors: list[GgufTensor] = []
    for weight in weights:
        found = list(_tensors(weight, facts))
        if not found:
            return f"what llama.cpp makes of {weight.path} is not known here"
        tensors += found
    architecture = ARCHITECTURES[name]
    latent = facts.nope_head_dim is not None
    return Converted(
        architecture=architecture,
        tensors=tuple(tensors),
        experts=facts.experts or 1,
        grouped=facts.heads // (1 if latent else facts.kv_heads),
        layers=facts.layers,
        seventy_b=_is_seventy_b(architecture, facts),
        apart=anatomy.total - sum(weight.elements for weight in weights),
    )


def _unknown(name: str | None) -> str:
    if name is None:
        return (
            "it was counted from headers: which class it is, and so what llama.cpp makes of it, is not known"
        )
    if name in OTHERS:
        return f"llama.cpp converts {name} by rules that are not restated here"
    return f"llama.cpp does not convert {name}"


def _is_seventy_b(architecture: str, facts: Facts) -> bool:
    """LLM_TYPE_70B: 80 layers, of the llama architecture with grouped heads (llama.cpp, src/models, load_hparams)."""
    grouped = facts.heads != facts.kv_heads
    return facts.layers == 80 and (architecture == "qwen2" or (architecture == "llama" and grouped))


def _tensors(weight: Weight, facts: Facts) -> Iterator[GgufTensor]:
    """The tensors that one parameter becomes; none where that is not known."""
    if not weight.is_matrix or _is_norm(weight) or not _ends_as_weight(weight):
        yield _tensor(weight, "kept")
    elif "latent_kv_up" in _what(weight) and len(weight.components) == 2:
        yield from _latent(weight, facts)
    elif weight.components == ("attention.other",):
        if "latent" in _what(weight):
            yield _tensor(weight, "other")
    elif weight.components in (("experts.routed",), ("experts.shared",)):
        down = any(says(word, "down") for word in weight.words[:1])
        yield _tensor(weight, "ffn_down" if down else "other")
    elif role := _ROLES.get(weight.components):
        yield _tensor(weight, role)


def _tensor(weight: Weight, role: Role) -> GgufTensor:
    return GgufTensor(role=role, columns=weight.columns, elements=weight.elements, layer=weight.layer)


def _is_norm(weight: Weight) -> bool:
    return any(says(word, "norm") for word in weight.words[:1])


def _ends_as_weight(weight: Weight) -> bool:
    """Whether it is a weight, not a bias; stacked experts are named without a last 'weight'."""
    return weight.name == "weight" or (weight.is_expert and "bias" not in weight.name)


def _what(weight: Weight) -> tuple[str, ...]:
    """Words on latent attention that the names say: its upward projection, its downward one."""
    last = weight.words[0]
    if says(last, "latent_kv_up"):
        return ("latent_kv_up",)
    return ("latent",) if last.startswith("kv_a_proj") else ()


def _latent(weight: Weight, facts: Facts) -> Iterator[GgufTensor]:
    """The upward projection in two: the keys' turned, with rows as long as a head's part without position."""
    sizes = dict(weight.parts)
    yield GgufTensor(
        role="other",
        columns=facts.nope_head_dim or weight.columns,
        elements=sizes.get("attention.key", 0),
        layer=weight.layer,
    )
    yield GgufTensor(
        role="other", columns=weight.columns, elements=sizes.get("attention.value", 0), layer=weight.layer
    )
