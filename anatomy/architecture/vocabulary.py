"""The words that model code uses for its parts: one table of patterns over module and parameter names.

These are names of roles (`q_proj`, `fc1`, `wpe`), never of models. A pattern is matched against one whole
segment of a dotted path, in lower case.
"""

import re
from functools import cache

_TAIL = r"(_[ab]|_down|_up)?(_?proj|_lin|_layer|_linear|_projection|_weight|_bias)?(_weight|_bias)?"

PATTERNS: dict[str, str] = {
    # Attention: what a projection makes.
    "query": rf"(to_|linear_|in_proj_|project_|w)?(q|query|queries)([_]?[ab])?{_TAIL}",
    "key": rf"(to_|linear_|in_proj_|project_|w)?(k|key){_TAIL}",
    "value": rf"(to_|linear_|in_proj_|project_|w)?(v|value){_TAIL}",
    "output": (
        rf"((to_|linear_|attn_)?(o|out|output)([_]?[ab])?{_TAIL}|wo|dense|c_proj|proj|final_linear"
        r"|proj_out|resid_proj|projection)"
    ),
    "fused_qkv": r"(c_attn|qkv|qkv_proj|query_key_value|w_?qkv|w_?pack|in_proj|in_proj_weight|in_proj_bias|to_qkv"
    r"|attn_qkv|linear_qkv|qkv_linear|qkv_layer|queries_keys_values)",
    "fused_kv": r"(kv|kv_proj|to_kv|w_?kv|key_value|linear_kv|keys_values)",
    "latent_kv_up": r"(kv_b_proj|kv_up_proj|wkv_b)",
    # Feed-forward.
    "gate": r"(gate_proj|gate|wi_0|w1|gate_linear|linear_gate|w_gate)",
    "up": (
        r"(up_proj|up|fc_?1|c_fc|fc|fc_in|dense_h_to_4h|wi|wi_1|w3|lin_?1|linear_?1|linear_fc1|(layout_)?intermediate|ffn|w_in"
        r"|intermediate_dense|w_1|in_proj|project_in|pwconv1|linear_up)"
    ),
    "down": (
        r"(down_proj|down|fc_?2|c_proj|fc_out|dense_4h_to_h|wo|w2|lin_?2|linear_?2|linear_fc2|(layout_)?output|ffn_output|w_out"
        r"|output_dense|w_2|out_proj|project_out|pwconv2|linear_down)"
    ),
    "fused_gate_up": r"(gate_up_proj|gate_up|w12|w1w3|gate_and_up_proj|input_linear|wi|fc1|fc_?1|in_proj)",
    # Blocks.
    "attention_block": r".*(attn|attention).*|sa|mha|selfattn",
    "attention_evidence": r"attention_biases",
    "attention_extra": r"indexer|compressor|.*sinks?|.*relative.*|r|.*gate.*|g_proj|.*_?temperature|pos_.*|linear_pos",
    "ffn_block": (
        r"(.*mlp.*|.*ffn.*|feed_?forward\d?|ff\d?|.*_ff|densereludense|(layout_)?(intermediate|output)|channel_mix.*|bottleneck|.*ffw.*"
        r"|block_sparse_moe|moe|ff_layer|feed_forward.*|linear_up|linear_down)"
    ),
    "ffn_in_layer": r"(fc_?[12]|pwconv[12]|linear_?[12]|lin_?[12]|ffn|ffn_output|intermediate|dense_h_to_4h|dense_4h_to_h)",
    "mixer_block": (
        r"(mamba\w*|ssm|linear_attn|.*short_?conv|conv|conv_module|time_mix\w*|rwkv|recurrent\w*|delta_net|mlstm\w*"
        r"|slstm\w*|retention|rg_lru|s?lstm|gru|rnn|downsample|modulation)"
    ),
    # 'ssm' begins a name, or it is the seam of two words: SeedOssMLP, SeamlessM4T.
    "mixer_kind": r"ssm.*|.*(lightning|linearattention|deltanet|mamba|retention|lru|rwkv|shortconv|lstm|gru|rnn).*",
    "mixer_evidence": r"(a_log|dt_bias|time_decay|time_maa_x|recurrent_param|dt_proj|delta_proj)",
    "recurrent_cell": r"(weight|bias)_(ih|hh|hr)_l\d+(_reverse)?",
    "experts": r"(.*_)?experts?(_\d+)?|expert_layer",
    "shared_experts": r"(.*_)?shared_(experts?|mlp)",
    "router": r"(.*_)?(router|routing)(_.*)?|(moe_)?gate|(.*_)?expert_gate|wg|classifier|switch|.*_score_correction_bias|expert_bias",
    # The rest.
    "norm": r"(.*_)?(layer_?|rms_?|batch_?|group_?)?(norm|ln)\w*|.*norm\w*|ln(_?\w+)?|.*_ln",
    "norm_kind": r".*norm(?!al).*",
    "position": (
        r"(.*_)?(wpe|pos|position|positions|positional|rel|relative|distance)"
        r"(_(embed\w*|encod\w*|table|bias|bias_table|attention_bias|attn_bias|conv\w*|emb|vlm|pos|h|w))*(_table)?"
        r"|embed_(pos\w*|rel\w*)|positions?_embed\w*|positions_projection|attention_biases|rel_pos_[xy]_bias|pos_conv_embed|rel_embeddings|positional_embedding_vlm"
    ),
    "embedding": (
        r".*embed.*|wte|shared|tok_.*|.*_tokens?|.*_token|feature_(extractor|projection|encoder)|conv_?\d?|stem"
        r"|.*subsampl\w*|patch\w*|per_layer_.*|.*_newline|.*_separator|.*_emb|z_[a-z]_init"
    ),
    "pooler": r".*pooler.*|pooling_layer",
    "head_anywhere": r"(.*_)?lm_head|shared_head|embed_out|cls|codebooks_head|generation_head|output_projection"
    r"|contact_head|diffusion_head|final_layer",
    "head_first": (
        r"(cls|classifier|score|qa_outputs|proj_out|output_projection|vocab_\w+|.*predictions?|generator_\w+|mlm_head|head"
        r"|decoder_head|.*classification_head|seq_relationship|logits?|lm_loss|out_head|output|pre_classifier|.*_head"
        r"|fc|summary|multiple_choice_head)"
    ),
    "projector": (
        r".*projectors?|merger|deepstack_merger_list|vision_adapter|connector|modality_projection|(.*_)?aligner|image_to_text_projection"
        r"|(visual|text|audio|vision|image|video|language|speech)_projection|embed_(vision|audio)|qformer|query_tokens"
        r"|.*resampler|mm_projector|perceiver_resampler"
    ),
    "vision": r"(vision|visual|image|video|img)(_(tower|model|encoder|backbone|embed\w*|tokenizer))?|vqmodel",
    "audio": r"(audio|speech|acoustic)(_(tower|model|encoder|backbone|embed\w*))?|codec_model",
    "adapter": r"(lora_\w+|ia3_l|hada_\w+|lokr_\w+|boft_\w+|oft_\w+|vera_lambda_\w+|prompt_encoder|.*adapters?)",
    "scale": (
        r"(.*_)?(gate|gates|scale|scales|scalar|lambda_?\d?|lambdas|residual|alpha|beta|gamma|temperature|logit_bias|layer_scale\w*|ls\d)"
        r"(_attn|_ffn|_mlp)?|.*_gate|per_expert_scale|.*_scale|ls_\w+|layer_?scale\w*|.*_(scaling|bias)_factor|input_hidden_states_bias"
    ),
    "residual_mixing": r"(.*_)?hc(_.*)?|.*hyper_?connection.*|altup|altup_projections|laurel|.*_altup.*|eh_proj|final_input",
    "bridge": r"proj|reduction|linear",
    "stack": r"encoder|decoder",
}

_COMPILED = {name: re.compile(pattern) for name, pattern in PATTERNS.items()}


@cache
def says(segment: str, word: str) -> bool:
    """Whether one segment of a path is written as `word` (a key of PATTERNS) is."""
    return _COMPILED[word].fullmatch(segment.lower()) is not None
