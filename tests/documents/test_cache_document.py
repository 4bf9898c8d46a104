"""The answer to --kv-cache, in words."""

import pytest
from tiny_models import MIB, make_gpu

from anatomy.documents.document import Facts, Table
from anatomy.documents.show.cache import cache_answer
from anatomy.inference.cache import BY_NAME, KvCache, LayerCache
from anatomy.planning.serving import Load, served


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


def gpus_of(answer):
    return next(b for b in answer.blocks if isinstance(b, Table) and b.title.startswith("Weights and cache"))


def test_a_terminal_shows_the_gpus_around_the_boundary():
    cards = [make_gpu(f"card {n}", 1024 + n) for n in range(90, 2090, 100)]
    asked = load(longest=1024)
    table = gpus_of(cache_answer(asked, served(asked, cards)))
    assert len(table.rows) == 20
    assert table.brief[:2] == (0, 1)  # the largest that does not do, the smallest that does
    assert 2 < len(table.brief) < 9


def test_the_checkpoint_s_own_format_stands_beside_16_bits():
    asked = load(longest=1024, checkpoint_bytes=25 * MIB, checkpoint="mxfp4")
    cards = [make_gpu(f"card {n}", 1024 + n) for n in range(10, 400, 10)]
    answer = cache_answer(asked, served(asked, cards))
    table = gpus_of(answer)
    assert [c.title for c in table.columns if c.keep and c.name.endswith("fits")] == [
        "in 16 bits",
        "in mxfp4",
    ]
    verdicts = [(row[2], row[5]) for row in table.rows]
    assert verdicts.index((False, True)) < verdicts.index((True, True))
    # both boundaries are in the short table
    assert {verdicts.index((False, True)), verdicts.index((True, True))} <= {*table.brief}
    assert answer.data["checkpoint"] == {"format": "mxfp4", "weight_bytes": 25 * MIB}
