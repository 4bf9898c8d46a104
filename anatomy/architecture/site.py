"""Where a parameter stands: its path, its owner, and what surrounds it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from anatomy.architecture.facts import Facts
from anatomy.architecture.vocabulary import says

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What is known of the whole model while one parameter is looked at."""

    shapes: Mapping[str, Shape]
    """Every parameter's path and shape."""
    facts: Facts
    """The config's numbers; empty when only headers are known."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Module path -> class name; empty when only headers are known."""
    towers: Mapping[str, str] = field(default_factory=dict)
    """Module path of an encoder of another modality -> 'vision' or 'audio', where the model itself says so."""
    heads: frozenset[str] = frozenset()
    """First segments of what lies outside the base model."""
    blocks: Mapping[str, str] = field(default_factory=dict)
    """Module path -> 'attention', 'ffn', 'moe' or 'mixer', by what the block contains."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """One parameter and its place."""

    path: str
    shape: Shape
    owner: tuple[str, ...]
    """The segments of the owning module's path."""
    name: str
    """The parameter's own name, e.g. 'weight'."""
    kind: str | None
    """Class of the owning module; None from headers."""
    around: Surroundings

    @property
    def local(self) -> tuple[str, ...]:
        """The segments inside the innermost numbered layer: 'layers.3.self_attn.q_proj' -> (self_attn, q_proj).

        Where they name no block, the list's own name is taken too: 'mlps.0.up_proj' -> (mlps, up_proj).
        """
        owner = self.owner
        while owner and owner[-1].isdigit():
            owner = owner[:-1]
        start = max((i + 1 for i, segment in enumerate(owner) if segment.isdigit()), default=0)
        inside = owner[start:]
        if start < 2 or any(says(segment, word) for segment in inside for word in _BLOCK_WORDS):
            return inside
        return (owner[start - 2], *inside)

    @property
    def words(self) -> Iterator[str]:
        """The names that may tell the role, the innermost first."""
        if self.name not in ("weight", "bias"):
            yield self.name
        yield from (segment for segment in reversed(self.local) if not segment.isdigit())

    @property
    def block(self) -> str | None:
        """The kind of the innermost enclosing block that is recognised by what it contains."""
        for end in range(len(self.owner), 0, -1):
            if found := self.around.blocks.get(".".join(self.owner[:end])):
                return found
        return None

    @property
    def parent(self) -> str:
        """Path of the module in which this one's siblings are."""
        return ".".join(self.owner if self.name not in ("weight", "bias") else self.owner[:-1])

    def siblings(self, word: str) -> Iterator[tuple[str, Shape]]:
        """Weights next to this one that are written as `word` is, with their shapes."""
        parent = self.parent
        inside = f"{parent}." if parent else ""
        for segment in _CANDIDATES[word]:
            path = f"{inside}{segment}.weight"
            if path != self.path and (shape := self.around.shapes.get(path)):
                yield path, shape

    def inside(self, word: str) -> bool:
        """Whether any segment of the owner's path is written as `word` is."""
        return any(says(segment, word) for segment in self.owner)


_BLOCK_WORDS = ("attention_block", "ffn_block", "mixer_block")

# The spellings that are looked up next to a fused projection, to learn its inner width.
_CANDIDATES: dict[str, tuple[str, ...]] = {
    "output": (
        *("o_proj", "out_proj", "c_proj", "dense", "Wo", "wo", "out", "o", "proj", "attention_output"),
        "attn_output",
    ),
    "down": (
        "down_proj",
        "Wo",
        "wo",
        "fc2",
        "c_proj",
        "w2",
        "dense_4h_to_h",
        "linear_2",
        "output_linear",
        "out_proj",
    ),
}


def surround(
    shapes: Mapping[str, Shape],
    facts: Facts,
    *,
    kinds: Mapping[str, str] | None = None,
    towers: Mapping[str, str] | None = None,
    outside_base: Iterable[str] = (),
) -> Surroundings:
    """Look once at all parameters and note which blocks they form."""
    blocks = _blocks(shapes, kinds or {})
    # A child outside the base model that holds blocks of its own is a model, not a head.
    heads = frozenset(
        first for first in outside_base if not any(b == first or b.startswith(f"{first}.") for b in blocks)
    )
    return Surroundings(
        shapes=shapes, facts=facts, kinds=kinds or {}, towers=towers or {}, heads=heads, blocks=blocks
    )


def site_of(path: str, around: Surroundings) -> Site:
    """The site of one parameter."""
    *owner, name = path.split(".")
    return Site(
        path=path,
        shape=around.shapes[path],
        owner=tuple(owner),
        name=name,
        kind=around.kinds.get(".".join(owner)),
        around=around,
    )


def _blocks(shapes: Mapping[str, Shape], kinds: Mapping[str, str]) -> dict[str, str]:
    """Recognise blocks by what they own. A mixer's evidence outweighs a feed-forward's, and so on down."""
    members: dict[str, set[str]] = {}
    found: dict[str, str] = {}
    for path, shape in shapes.items():
        for parent, member in _memberships(path):
            members.setdefault(parent, set()).add(member)
        if len(shape) == 3 and shape[1] == 1 and path.endswith(".weight"):
            _note_depthwise(path, members)
    for parent, names in members.items():
        layer = parent.rsplit(".", 1)[-1].isdigit() and not _is_attention(names)
        if parent and not layer and (kind := _block_kind(names)):
            found[parent] = kind
    found |= {
        path: "mixer" for path, kind in kinds.items() if path and says(kind, "mixer_kind") and "." in path
    }
    return found


def _memberships(path: str) -> Iterator[tuple[str, str]]:
    """(module, child) pairs near a parameter: its owner owns its name, its owner's parent owns the owner."""
    owner, _, name = path.rpartition(".")
    if name not in ("weight", "bias"):
        yield owner, name
    parent, _, last = owner.rpartition(".")
    yield parent, last
    if (
        "expert" in path
    ):  # experts may lie deeper, each a module of its own; their block is what holds them all
        segments = owner.split(".")
        yield from ((".".join(segments[:i]), s) for i, s in enumerate(segments) if says(s, "experts"))


def _note_depthwise(path: str, members: dict[str, set[str]]) -> None:
    """A convolution over time, one filter a channel ([channels, 1, kernel]), makes its parent a mixer."""
    parent = path.rsplit(".", 2)[0]
    members.setdefault(parent, set()).add("dt_bias")


def _block_kind(names: set[str]) -> str | None:
    if any(says(name, "mixer_evidence") for name in names):
        return "mixer"
    if any(says(name, "experts") or says(name, "shared_experts") for name in names):
        return "moe"
    if any(says(n, "query") for n in names) and any(says(n, "key") or says(n, "fused_kv") for n in names):
        return "attention"
    if _is_attention(names):
        return "attention"
    if {"up_proj", "down_proj"} <= names or {"fc1", "fc2"} <= names:
        return "ffn"
    return None


def _is_attention(names: set[str]) -> bool:
    """Whether a module holds what belongs to attention alone, so that a numbered one is a block, not a layer of blocks."""
    return any(says(name, "attention_evidence") for name in names)
