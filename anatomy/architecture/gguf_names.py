"""The names that GGUF files give to tensors: one scheme for all models, of llama.cpp's making.

Source: MODEL_TENSOR and TENSOR_NAMES in llama.cpp's gguf-py/gguf/constants.py. A name is a place ('blk.3', 'output') and
a role in it ('attn_q', 'ffn_down_exps'), so a table of roles is enough where names of classes need recognizers.
"""

import math
import re
from collections.abc import Callable, Iterable

from anatomy.architecture.fused import Parts, halve, split_latent_kv, split_qkv
from anatomy.architecture.site import Site

_LAYER = re.compile(r"((enc|dec|v|a)\.)?blk\.\d+\.")


def named_so(paths: Iterable[str]) -> bool:
    """Whether tensors are named by this scheme: they lie in blocks called 'blk'."""
    return any(_LAYER.match(path) for path in paths)


def classify_gguf(site: Site) -> Parts | None:
    """The parts of a tensor, by its name; None of names that the scheme does not have."""
    if site.name.startswith("lora_"):
        return _whole(site, "adapter")
    stem = site.path.removesuffix(f".{site.name}") if site.name in ("weight", "bias") else site.path
    role = _LAYER.sub("", stem, count=1) if not stem.startswith(("v.", "a.")) else stem
    for pattern, component in _ROLES:
        if re.fullmatch(pattern, role):
            split = _FUSED.get(component)
            return (
                _whole(site, component) if split is None else split(site) or _whole(site, _UNSPLIT[component])
            )
    return None


def _whole(site: Site, component: str) -> Parts:
    return ((component, math.prod(site.shape)),)


def _up(site: Site) -> Parts | None:
    """An up projection of twice the config's width holds the gate too."""
    width = site.around.facts.ffn_width
    fused = width is not None and site.shape[:1] == (2 * width,)
    return halve(site, ("ffn.gate", "ffn.up")) if fused else _whole(site, "ffn.up")


_FUSED: dict[str, Callable[[Site], Parts | None]] = {
    "qkv": split_qkv,
    "latent kv": split_latent_kv,
    "up": _up,
}
_UNSPLIT = {"qkv": "attention.other", "latent kv": "attention.other", "up": "ffn.other"}

_ROLES: tuple[tuple[str, str], ...] = (
    # Other modalities, then what stands outside the blocks.
    (r"v\..*", "vision"),
    (r"(a|posnet|convnext)\..*|conv1d", "audio"),
    (r"(mm|resampler)\..*", "projector"),
    (r"output|cls(\..*)?", "head"),
    (r"dense_[23](_out)?", "pooler"),
    (r"((enc|dec)\.)?(output|token_embd|per_layer_proj)_norm(_enc)?", "norm"),
    (r"(per_layer_)?token_embd|token_types|per_layer_model_proj", "embedding"),
    (r"position_embd|(cross_)?attn_rel_b", "position"),
    # In a block.
    (r"nextn\.embed_tokens", "embedding"),
    (r"nextn\.shared_head_head", "head"),
    (r"(nextn\.)?[a-z0-9_.]*(norm(_\d|_exps)?|time_mix_ln)", "norm"),
    (r"nextn\.eh_proj|(altup|laurel)_.*|layer_output_scale|out_scale", "other"),
    (r"inp_gate|proj", "embedding"),
    (r"(cross_)?attn_q(_[ab])?", "attention.query"),
    (r"(cross_)?attn_k(_b)?", "attention.key"),
    (r"(cross_)?attn_v(_b)?", "attention.value"),
    (r"(cross_)?attn_(output|out|o)", "attention.output"),
    (r"attn_qkv", "qkv"),
    (r"attn_kv_b", "latent kv"),
    (r"(indexer\.)?attn_.*|indexer\..*", "attention.other"),
    (r"ffn_gate_inp(_shexp)?|exp_probs_b", "router"),
    (r"ffn_(gate|up|down|gate_up)_(ch)?exps|ffn_(gate|up|down)\.\d+", "experts.routed"),
    (r"ffn_(gate|up|down)_shexp", "experts.shared"),
    (r"ffn_gate", "ffn.gate"),
    (r"ffn_up", "up"),
    (r"ffn_down", "ffn.down"),
    (r"ffn(_.*)?|channel_mix_.*", "ffn.other"),
    (r"(ssm|time_mix)_.*|shortconv\..*", "mixer"),
)
"""A tensor's role -> its component; the first match counts. 'inp_gate' and 'proj' bring embeddings per layer in; 'other'
is what the recognizers of classes call so: mixing weights and scales of the residual stream."""
