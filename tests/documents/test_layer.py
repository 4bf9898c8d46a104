"""A layer as a diagram: each kind once, all parameters, in the order in which the modules ran."""

from anatomy.architecture.anatomy import Anatomy
from anatomy.architecture.facts import Facts
from anatomy.architecture.tree import tree_from_shapes
from anatomy.documents.document import Document, Stage, Table
from anatomy.documents.layer import AS_LISTED, AS_RAN, layer_diagrams
from anatomy.render.markdown import render
from anatomy.render.style import Style


def anatomy(*layers):
    """A model of these layers, each a mapping of names to shapes."""
    shapes = {f"layers.{n}.{name}": shape for n, layer in enumerate(layers) for name, shape in layer.items()}
    shapes |= {"lm_head.weight": (8, 4)}
    tree, _ = tree_from_shapes(shapes, Facts())
    return Anatomy(id="a", origin="here", model_type=None, architecture=None, facts=Facts(), tree=tree)


DENSE = {
    "self_attn.q_proj.weight": (4, 4),
    "self_attn.o_proj.weight": (4, 4),
    "mlp.up_proj.weight": (16, 4),
    "mlp.up_proj.bias": (16,),
    "mlp.down_proj.weight": (4, 16),
    "input_layernorm.weight": (4,),
}
EXPERTS = {f"mlp.experts.{n}.down_proj.weight": (4, 16) for n in range(3)} | {"sinks": (2,)}


def labels(stage):
    return [leaf.label for leaf in stage.leaves()]


def adds_up(stage: Stage, times: int = 1) -> None:
    """Own parameters and those inside are what a stage says; a repeated stage holds the parts of one."""
    own = sum(_product(shape) for _, shape in stage.shapes)
    inside = sum(inner.parameters for inner in stage.inner)
    assert stage.parameters == times * (own + inside), stage.label
    for inner in stage.inner:
        adds_up(inner, int(inner.label.rpartition("× ")[2]) if "×" in inner.label else 1)


def _product(shape):
    found = 1
    for size in shape:
        found *= size
    return found


def test_without_a_run_as_the_model_lists_them():
    (diagram,) = layer_diagrams(anatomy(DENSE, DENSE))
    assert diagram.title == "layers.0-1: one of 2 alike, 180 parameters"
    assert diagram.caption == AS_LISTED
    assert labels(diagram.stage) == ["q_proj", "o_proj", "up_proj", "down_proj", "input_layernorm"]
    adds_up(diagram.stage)


def test_with_a_run_in_its_order():
    order = {
        "layers.0.input_layernorm": 3,
        "layers.0.self_attn.q_proj": 5,
        "layers.0.self_attn.o_proj": 9,
        "layers.0.mlp.up_proj": 11,
        "layers.1.mlp.down_proj": 2,
    }
    (diagram,) = layer_diagrams(anatomy(DENSE, DENSE), order)
    assert labels(diagram.stage) == ["input_layernorm", "q_proj", "o_proj", "up_proj", "down_proj"]
    assert diagram.caption == AS_RAN


def test_a_diagram_of_each_kind_and_experts_once():
    found = layer_diagrams(anatomy(DENSE, DENSE, EXPERTS, EXPERTS, EXPERTS))
    assert [d.title.partition(":")[0] for d in found] == ["layers.0-1", "layers.2-4"]
    (mlp,) = found[1].stage.inner
    assert [inner.label for inner in mlp.inner] == ["experts"]
    assert [inner.label for inner in mlp.inner[0].inner] == ["0-2 × 3"]
    assert dict(found[1].stage.shapes) == {"sinks": (2,)}
    for diagram in found:
        adds_up(diagram.stage)


def test_nothing_repeated_nothing_drawn():
    assert layer_diagrams(anatomy(DENSE)) == ()


def test_mermaid_takes_no_name_as_markup():
    hostile = {'q"]<script>.weight': (4, 4), "k;end.weight": (2, 4)}
    diagrams = layer_diagrams(anatomy(hostile, hostile))
    text = render(Document(title="t", blocks=diagrams, table=Table(columns=(), rows=())), Style())
    drawing = text[text.index("```mermaid") : text.index("\n```\n")]
    assert 'm0["q#34;#93;#60;script#62;<br/>weight 4 × 4"]' in drawing
    assert 'm1["k#59;end<br/>weight 2 × 4"]' in drawing
    assert "m0 --> m1" in drawing
    assert (
        drawing.count("subgraph")
        == len([line for line in drawing.splitlines() if line.strip() == "end"])
        == 1
    )
