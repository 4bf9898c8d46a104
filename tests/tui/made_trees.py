"""Models for the tests of the module tree: a dense one with classes, a mixture of experts from names alone, real ones."""

from functools import cache
from typing import Any

from anatomy.architecture.anatomy import Anatomy, anatomy_from
from anatomy.architecture.facts import Facts
from anatomy.architecture.tied import TiedGroup
from anatomy.architecture.tree import ModuleNode, OwnParameter, tree_from_shapes
from anatomy.blueprint import Blueprint, Origin
from anatomy.memory.timeline import Category
from anatomy.planning.modules import HeldParameter, ModuleShare
from anatomy.tui.tree.growing import outline_of
from anatomy.tui.tree.outline import Outline

WIDTH, INNER, VOCABULARY = 8, 32, 100


def leaf(path: str, kind: str, component: str, **shapes: tuple[int, ...]) -> ModuleNode:
    own = []
    for name, shape in shapes.items():
        count = 1
        for side in shape:
            count *= side
        own.append(OwnParameter(name=name, shape=shape, parts=((component, count),)))
    return ModuleNode(path=path, kind=kind, component=component, own=tuple(own), children=())


def holder(path: str, kind: str, component: str, *children: ModuleNode) -> ModuleNode:
    return ModuleNode(path=path, kind=kind, component=component, own=(), children=children)


def layer(number: int, inner: int = INNER) -> ModuleNode:
    at = f"model.layers.{number}"
    square, up = (WIDTH, WIDTH), (inner, WIDTH)
    return holder(
        at,
        "DecoderLayer",
        "",
        holder(
            f"{at}.self_attn",
            "Attention",
            "attention",
            leaf(f"{at}.self_attn.q_proj", "Linear", "attention.query", weight=square, bias=(WIDTH,)),
            leaf(f"{at}.self_attn.v_proj", "Linear", "attention.value", weight=square, bias=(WIDTH,)),
        ),
        holder(f"{at}.mlp", "MLP", "ffn", leaf(f"{at}.mlp.up_proj", "Linear", "ffn.up", weight=up)),
        leaf(f"{at}.norm", "RMSNorm", "norm", weight=(WIDTH,)),
    )


def dense(layers: int = 4, wide: int | None = None, dtype: str | None = "bfloat16") -> Anatomy:
    """A decoder with a tied head. `wide`: the number of a layer whose feed-forward is twice as wide."""
    stack = tuple(layer(k, 2 * INNER if k == wide else INNER) for k in range(layers))
    model = holder(
        "model",
        "Decoder",
        "",
        leaf("model.embed_tokens", "Embedding", "embedding", weight=(VOCABULARY, WIDTH)),
        holder("model.layers", "ModuleList", "", *stack),
    )
    head = holder("lm_head", "Linear", "")
    tree = holder("", "MadeForCausalLM", "", model, head)
    tied = TiedGroup(
        counted="model.embed_tokens.weight", also=("lm_head.weight",), parameters=VOCABULARY * WIDTH
    )
    return _anatomy(tree, dtype, "MadeForCausalLM", (tied,))


def experts(layers: int = 3, count: int = 5) -> Anatomy:
    """A mixture of experts of which names and shapes alone are known."""
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCABULARY, WIDTH)}
    for k in range(layers):
        at = f"model.layers.{k}"
        shapes |= {f"{at}.self_attn.{name}_proj.weight": (WIDTH, WIDTH) for name in "qkvo"}
        shapes[f"{at}.mlp.gate.weight"] = (count, WIDTH)
        for e in range(count):
            shapes |= {f"{at}.mlp.experts.{e}.{name}_proj.weight": (INNER, WIDTH) for name in ("up", "down")}
    tree, _ = tree_from_shapes(shapes, Facts())
    return _anatomy(tree, "float32", None, ())


def _anatomy(
    tree: ModuleNode, dtype: str | None, architecture: str | None, tied: tuple[TiedGroup, ...]
) -> Anatomy:
    return Anatomy(
        id="made",
        origin="made up",
        model_type=None,
        architecture=architecture,
        facts=Facts(),
        tree=tree,
        tied=tied,
        dtype=dtype,
    )


def real(config: dict[str, Any]) -> Anatomy:
    """The anatomy of a config's own class."""
    return anatomy_from(Blueprint(id="tiny", origin=Origin(kind="catalog", location="tiny"), config=config))


@cache
def outlined(layers: int = 4, wide: int | None = None) -> Outline:
    return outline_of(dense(layers, wide))


RANK = 2


def shares_of(
    anatomy: Anatomy, targets: tuple[str, ...] = ("q_proj",), packed: bool = False
) -> dict[str, ModuleShare]:
    """A plan's modules: everything frozen, adapters on what is named so, every number another one; lists have none."""
    found = {}
    for k, node in enumerate(anatomy.tree.walk()):
        if node.children and all(child.name.isdigit() for child in node.children):
            continue  # a list computes nothing
        held = [
            HeldParameter(name=p.name, shape=p.shape, dtype="bfloat16", trainable=False, adapter=False)
            for p in node.own
        ]
        peak = {Category.WEIGHTS: 512 * k, Category.ACTIVATIONS: 1024 + k} if node.own else {}
        if packed and node.kind == "Linear" and held:
            first = held[0]
            count = node.own[0].shape[0] * node.own[0].shape[1] // 2
            held[0] = HeldParameter(
                name=first.name, shape=(count, 1), dtype="uint8", trainable=False, adapter=False
            )
            peak[Category.QUANTIZATION] = 512
        if node.name in targets:
            out, width = node.own[0].shape
            peak[Category.ADAPTERS] = 4 * RANK * (out + width)
            held += [
                HeldParameter(
                    name=f"lora_{name}.default.weight",
                    shape=shape,
                    dtype="float32",
                    trainable=True,
                    adapter=True,
                )
                for name, shape in (("A", (RANK, width)), ("B", (out, RANK)))
            ]
        found[node.path] = ModuleShare(peak=peak, flops=1000 + k, recomputed_flops=k % 3, held=tuple(held))
    return found
