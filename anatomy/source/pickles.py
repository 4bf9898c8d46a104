"""Checkpoints that are pickles: recognised by their names, never opened."""

from collections.abc import Iterable

from anatomy.source.sharded import enumerate_names

SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
"""How the names of files end that Python's unpickler would have to read, which runs what they say."""

INDEX_SUFFIX = ".bin.index.json"
"""How the name of an index of such files ends."""

UNOPENED = "pickles, which can run code when they are opened, so they never are"
"""What such files are, for a sentence."""

_NOT_WEIGHTS = ("training_args.bin", "optimizer.", "scheduler.", "scaler.", "rng_state")
"""How the names begin of pickles that trainers leave beside a model's weights."""


def pickled_weights(names: Iterable[str]) -> list[str]:
    """Those of `names`, of files, that are pickles of a model's weights."""
    return sorted(
        name
        for name in names
        if name.lower().endswith((*SUFFIXES, INDEX_SUFFIX)) and not name.startswith(_NOT_WEIGHTS)
    )


def pickles_sentence(names: Iterable[str]) -> str:
    """' It holds pickles ...' where some of `names` are pickles of weights, else ''; to follow another sentence."""
    found = pickled_weights(names)
    return f" It holds {UNOPENED}: {enumerate_names(found)}." if found else ""
