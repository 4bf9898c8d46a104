"""What the details say of a row: the same numbers as the tree's and the plan's, however rows are folded."""

import re

import pytest
from made_trees import RANK, WIDTH, dense, experts, shares_of

from anatomy.architecture.anatomy import Anatomy
from anatomy.architecture.components import COMPONENTS
from anatomy.architecture.tree import ModuleNode, OwnParameter
from anatomy.memory.timeline import Category
from anatomy.planning.modules import HeldParameter, ModuleShare
from anatomy.tui.tree.describe import Line, Section, describe
from anatomy.tui.tree.fold import Fold
from anatomy.tui.tree.growing import outline_of
from anatomy.tui.tree.marks import MARKS, Marker, tied_items
from anatomy.tui.tree.outline import Row
from anatomy.tui.tree.prose import set_lines
from anatomy.tui.tree.shares import Shares, held_bytes, is_quantized
from anatomy.tui.tree.view import View
from anatomy.tui.tree.words import WORDS, sides


def marker_of(anatomy: Anatomy, modules: dict[str, ModuleShare] | None = None) -> Marker:
    outline = outline_of(anatomy)
    shares = None if modules is None else Shares(outline, modules)
    return Marker(outline=outline, tied=tied_items(outline, anatomy.tied), shares=shares)


def row_at(marker: Marker, path: str, *, split: bool = False) -> Row:
    view = View(marker.outline)
    if split:
        view.unfold_all()
    return view.row(marker.outline.modules[path])


def facts(sections: tuple[Section, ...], title: str) -> dict[str, Line]:
    return {line.name: line for section in sections if section.title == title for line in section.lines}


def node_at(anatomy: Anatomy, path: str) -> ModuleNode:
    return next(node for node in anatomy.tree.walk() if node.path == path)


def stands_for(anatomy: Anatomy, place: str) -> list[ModuleNode]:
    """The modules that a row's place means, found by the names of the tree alone."""

    def numbers(found: re.Match[str]) -> str:
        return f"({'|'.join(str(k) for k in range(int(found[1]), int(found[2]) + 1))})"

    rule = re.sub(r"\b(\d+)-(\d+)\b", numbers, place.replace(".", r"\."))
    return [node for node in anatomy.tree.walk() if re.fullmatch(rule, node.path)]


@pytest.mark.parametrize("anatomy", [dense(), dense(5, wide=2), experts()], ids=["dense", "wide", "experts"])
@pytest.mark.parametrize("split", [False, True])
def test_every_row_sums_the_plan_over_all_that_it_stands_for(anatomy: Anatomy, split: bool):
    modules = shares_of(anatomy)
    marker = marker_of(anatomy, modules)
    view = View(marker.outline)
    if split:
        view.unfold_all()
    for item in view.reachable():
        row = view.row(item)
        if view.outline.owns[item] is not None:
            continue
        inside = [
            modules.get(n.path, ModuleShare()) for top in stands_for(anatomy, row.place) for n in top.walk()
        ]
        sections = describe(marker, row)
        memory = facts(sections, "Memory at the peak")
        assert memory["in all"].value == sum(share.peak_bytes for share in inside)
        for category in Category:
            size = sum(share.peak.get(category, 0) for share in inside)
            assert (memory[category.value].value if category.value in memory else 0) == size
        compute = facts(sections, "Compute, one step")
        assert compute["forward, backward"].value == sum(share.flops for share in inside)
        again = sum(share.recomputed_flops for share in inside)
        assert (compute["recomputed"].value if "recomputed" in compute else 0) == again
        trainable = sum(h.shape[0] * h.shape[1] for share in inside for h in share.held if h.trainable)
        assert facts(sections, "In this run")["trainable"].value == trainable
        parameters = sum(n.parameters for n in stands_for(anatomy, row.place))
        assert facts(sections, "Parameters")["in all"].value == parameters


def test_what_a_linear_layer_says():
    marker = marker_of(dense(), shares_of(dense()))
    sections = describe(marker, row_at(marker, "model.layers.0.self_attn.q_proj"))
    what, parameters = facts(sections, ""), facts(sections, "Parameters")
    assert what["path"].text == "model.layers.0-3.self_attn.q_proj"
    assert what["class"].text == "Linear"
    assert what["is"].text == "query projection"
    assert "what each position looks for" in what[""].text
    assert what["times"].value == 4
    assert parameters["weight"].text == "8 × 8, in 8, out 8, bfloat16"
    assert parameters["bias"].text == "8, width 8, bfloat16"
    assert parameters["stored"].value == 2 * 4 * 72


def test_lora_has_its_real_shapes():
    marker = marker_of(dense(), shares_of(dense(), ("up_proj",)))
    adapters = facts(describe(marker, row_at(marker, "model.layers.0.mlp.up_proj")), "Adapters on it")
    assert adapters["LoRA A"].text == "2 × 8, float32, 4 of them"
    assert adapters["LoRA B"].text == "32 × 2, float32, 4 of them"
    assert adapters["LoRA A"].value == 4 * RANK * WIDTH
    one = describe(marker, row_at(marker, "model.layers.1.mlp.up_proj", split=True))
    assert facts(one, "Adapters on it")["LoRA A"].text == "2 × 8, float32"


def test_without_a_plan_there_is_nothing_of_one():
    marker = marker_of(dense())
    titles = [section.title for section in describe(marker, row_at(marker, "model"))]
    assert titles == ["", "Parameters"]


def test_tied_parameters_name_each_other():
    marker = marker_of(dense())
    head = facts(describe(marker, row_at(marker, "lm_head")), "")
    table = facts(describe(marker, row_at(marker, "model.embed_tokens")), "")
    assert head["tied with"].text == "model.embed_tokens.weight"
    assert table["tied with"].text == "lm_head.weight"


def test_a_parameters_row():
    marker = marker_of(dense(), shares_of(dense()))
    item = marker.outline.modules["model.layers.0.self_attn.q_proj"] + 2
    sections = describe(marker, View(marker.outline).row(item))
    assert facts(sections, "")["path"].text == "model.layers.0-3.self_attn.q_proj.bias"
    assert facts(sections, "Parameters")["in all"].value == 4 * WIDTH
    assert facts(sections, "In this run")["bias held as"].text == "8, bfloat16, frozen, 4 of them"
    assert "Memory at the peak" not in [section.title for section in sections]


def test_the_model_itself():
    anatomy = dense()
    marker = marker_of(anatomy)
    sections = describe(marker, row_at(marker, ""))
    assert facts(sections, "")["path"].text == "the model itself"
    assert facts(sections, "Parameters")["in all"].value == anatomy.total
    assert facts(sections, "Parameters")["of the model"].text == "100.00 %"


@pytest.mark.parametrize("component", [*COMPONENTS, "attention", "ffn", "experts", ""])
def test_every_component_has_words(component: str):
    name, sentence = WORDS[component]
    assert name
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("kind", "component", "shape", "said"),
    [
        ("Linear", "ffn.up", (14336, 4096), "in 4,096, out 14,336"),
        ("Conv1D", "ffn.up", (768, 3072), "in 768, out 3,072"),
        ("Embedding", "embedding", (128256, 4096), "rows 128,256, width 4,096"),
        ("", "embedding", (100, 8), "rows 100, width 8"),
        ("", "ffn.up", (32, 8), "32 × 8"),
        ("RMSNorm", "norm", (4096,), "width 4,096"),
        ("Experts", "experts.routed", (8, 14336, 4096), "8 × 14,336 × 4,096"),
        ("X", "other", (), "one number"),
    ],
)
def test_sides(kind: str, component: str, shape: tuple[int, ...], said: str):
    assert sides(kind, component, OwnParameter(name="weight", shape=shape, parts=())) == said


def marks(marker: Marker, path: str, *, split: bool = False) -> str:
    return marker.marks(row_at(marker, path, split=split)).letters


def test_marks_before_a_plan():
    marker = marker_of(dense())
    assert [marks(marker, path) for path in ("lm_head", "model.embed_tokens", "model")] == [
        "=   ",
        "=   ",
        "    ",
    ]


def test_marks_of_a_lora_run():
    marker = marker_of(dense(), shares_of(dense(), packed=True))
    assert marks(marker, "model.embed_tokens") == "=F  "
    assert marks(marker, "model.layers.0.self_attn.q_proj") == " tQL"
    assert marks(marker, "model.layers.0.self_attn.v_proj") == " FQ "
    assert marks(marker, "model.layers.0.self_attn") == " tQA"
    assert marks(marker, "model.layers.0.norm") == " F  "
    assert marks(marker, "model.layers") == " tQA"
    assert marks(marker, "") == " tQA"


def test_marks_of_full_training():
    trained = {
        path: ModuleShare(
            held=tuple(
                HeldParameter(name=h.name, shape=h.shape, dtype="float32", trainable=True, adapter=False)
                for h in share.held
            )
        )
        for path, share in shares_of(dense(), ()).items()
    }
    marker = marker_of(dense(), trained)
    assert marks(marker, "model") == " T  "
    assert marks(marker, "lm_head") == "=   "


def test_a_target_of_some_layers_is_one_in_part():
    marker = marker_of(dense())
    outline = marker.outline
    chosen = frozenset({outline.modules["model.layers.2.mlp.up_proj"]})
    marker = Marker(outline=outline, targets=chosen)
    assert marks(marker, "model.layers.0.mlp.up_proj") == "   l"
    assert marks(marker, "model.layers.2.mlp.up_proj", split=True) == "   L"
    assert marks(marker, "model.layers.0.mlp.up_proj", split=True) == "    "


def test_parameter_rows_have_marks_of_their_own():
    marker = marker_of(dense(), shares_of(dense(), packed=True))
    outline = marker.outline
    weight = outline.modules["model.layers.0.self_attn.q_proj"] + 1
    view = View(outline)
    assert marker.marks(view.row(weight)).letters == " FQ "
    assert marker.marks(view.row(weight + 1)).letters == " F  "


def test_marked_words_find_who_holds_them():
    marker = marker_of(dense(), shares_of(dense(), packed=True))
    outline = marker.outline

    def found(word: str) -> set[str]:
        return {outline.paths[item] for item in marker.marked(word)}

    queries = {f"model.layers.{k}.self_attn.q_proj" for k in range(4)}
    assert found("trainable") == found("adapter") == found("target") == queries
    assert found("tied") == {"lm_head", "model.embed_tokens"}
    assert found("quantized") == {
        f"model.layers.{k}.{name}"
        for k in range(4)
        for name in ("self_attn.q_proj", "self_attn.v_proj", "mlp.up_proj")
    }
    assert "model.embed_tokens" in found("frozen")


def test_a_module_that_the_tree_lacks_counts_for_the_one_around_it():
    modules = {
        "model.unknown.deep": ModuleShare(flops=7),
        "": ModuleShare(flops=3),
        "gone": ModuleShare(flops=2),
    }
    marker = marker_of(dense(), modules)
    assert marker.shares is not None
    assert marker.shares.flops(row_at(marker, "model")) == 7
    assert marker.shares.flops(row_at(marker, "")) == 12


@pytest.mark.parametrize(
    ("dtype", "shape", "scaled", "quantized"),
    [
        ("uint8", (64, 1), False, True),
        ("int8", (8, 8), False, True),
        ("bfloat16", (64, 1), True, True),  # packed in another format, as bnb_4bit_quant_storage does
        ("bfloat16", (8,), True, False),
        ("bfloat16", (8, 8), False, False),
        ("float8_e4m3fn", (8, 8), False, True),
    ],
)
def test_what_is_quantized(dtype: str, shape: tuple[int, ...], scaled: bool, quantized: bool):
    held = HeldParameter(name="weight", shape=shape, dtype=dtype, trainable=False, adapter=False)
    assert is_quantized(held, with_state=scaled) is quantized


def test_held_bytes():
    held = HeldParameter(name="weight", shape=(3, 5), dtype="bfloat16", trainable=False, adapter=False)
    unknown = HeldParameter(name="weight", shape=(3,), dtype="made", trainable=False, adapter=False)
    assert held_bytes([(held, 2)]) == 60
    assert held_bytes([(held, 1), (unknown, 1)]) is None


@pytest.mark.parametrize("width", [20, 30, 44, 60, 100, 200])
def test_lines_fit_any_width(width: int):
    anatomy = dense()
    marker = marker_of(anatomy, shares_of(anatomy, packed=True))
    view = View(marker.outline)
    for item in view.reachable():
        lines = set_lines(describe(marker, view.row(item)), width)
        assert all(sum(len(text) for text, _ in line) <= width for line in lines)


@pytest.mark.parametrize("width", [30, 100])
def test_no_fact_is_lost_in_narrow_columns(width: int):
    anatomy = dense()
    marker = marker_of(anatomy, shares_of(anatomy))
    sections = describe(marker, row_at(marker, "model.layers.0.self_attn.q_proj"))
    said = " ".join("".join(text for text, _ in line) for line in set_lines(sections, width))
    words = " ".join(said.split())
    for section in sections:
        for line in section.lines:
            for word in f"{line.name} {line.text}".split():
                assert word in words or word.replace(".", "") in words.replace(".", "").replace(" ", "")


def test_every_category_stands_with_its_letter():
    marker = marker_of(dense(), shares_of(dense()))
    lines = set_lines(describe(marker, row_at(marker, "model")), 80)
    texts = ["".join(text for text, _ in line) for line in lines]
    assert any(text.startswith("W weights") for text in texts)
    assert any(text.startswith("a activations") for text in texts)


def test_marks_have_words():
    assert all(MARKS[letter] for letter in "=TtFQLlA")


def test_a_split_row_is_its_own():
    marker = marker_of(dense())
    view = View(marker.outline)
    view.set_fold(marker.outline.modules["model.layers"], Fold.SPLIT)
    what = facts(describe(marker, view.row(marker.outline.modules["model.layers.1"])), "")
    assert what["path"].text == "model.layers.1"
    assert "times" not in what
