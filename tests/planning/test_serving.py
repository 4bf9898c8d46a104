"""Weights and cache on GPUs."""

from dataclasses import replace

import pytest
from tiny_models import MIB, make_gpu

from anatomy.inference.cache import BY_NAME, KvCache, LayerCache
from anatomy.planning.serving import Load, served

CACHE = KvCache(layers=(LayerCache(kind="full", token_elements=512),))
"""1 KiB a token in bf16."""


def load(context=1024, batch=1, weights=100 * MIB, longest=4096):
    return Load(
        weight_bytes=weights,
        weights="",
        cache=CACHE,
        dtype=BY_NAME["bf16"],
        context=context,
        batch=batch,
        longest=longest,
    )


@pytest.mark.parametrize(
    ("memory_mib", "context", "fits"),
    [
        (1024 + 99, 0, False),  # 1,024 MiB of context; the weights do not fit
        (1024 + 100, 0, False),
        (1024 + 101, 1024, True),  # one MiB is left: exactly the asked context
        (1024 + 102, 2048, True),
        (4096, 4096, True),  # no longer than the config's
    ],
)
def test_the_longest_context(memory_mib, context, fits):
    (on,) = served(load(), [make_gpu("card", memory_mib)])
    assert (on.context, on.fits) == (context, fits)


def test_a_batch_shares_what_is_left():
    (on,) = served(load(batch=4), [make_gpu("card", 1024 + 104)])
    assert on.context == 1024
    assert on.left_bytes == 0


def test_the_checkpoint_s_own_format_has_a_verdict_of_its_own():
    packed = replace(load(weights=400 * MIB), checkpoint_bytes=100 * MIB, checkpoint="mxfp4")
    (on,) = served(packed, [make_gpu("card", 1024 + 101)])
    assert (on.fits, on.context) == (False, 0)
    assert (on.checkpoint.fits, on.checkpoint.context, on.checkpoint.left_bytes) == (True, 1024, 0)
    assert on.to_dict()["checkpoint"]["fits"] is True
    assert "checkpoint" not in served(load(), [make_gpu("card", 4096)])[0].to_dict()
