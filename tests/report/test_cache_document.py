"""The answer to --kv-cache, in words."""

import pytest
from tiny_models import MIB

from anatomy.inference.cache import BY_NAME, KvCache, LayerCache
from anatomy.planning.serving import Load
from anatomy.report.document import Facts, Table
from anatomy.report.show_cache import cache_answer


def load(dtype="bf16", **options):
    cache = KvCache(layers=(LayerCache(kind="full", token_elements=512),))
    weights = {"weight_bytes": 100 * MIB, "weights": "in 16 bits"}
    return Load(**weights, cache=cache, dtype=BY_NAME[dtype], context=1024, batch=1, **options)


@pytest.mark.parametrize(
    ("longest", "said", "sentence"),
    [
        (1024, True, "1 of 1,024 tokens"),
        (1024, False, "1 of 1,024 tokens, as long as the config's"),
        (None, False, "1 of 1,024 tokens, as the config states no length"),
    ],
)
def test_where_the_length_comes_from(longest, said, sentence):
    answer = cache_answer(load(longest=longest, context_said=said), ())
    (facts,) = (block for block in answer.blocks if isinstance(block, Facts))
    assert dict(facts.items)["sequences"] == sentence


def test_the_format_of_the_cache_is_not_that_of_the_weights():
    titles = [b.title for b in cache_answer(load("fp8", longest=None), ()).blocks if isinstance(b, Table)]
    assert "Weights and cache on GPUs (cache in fp8)" in titles
