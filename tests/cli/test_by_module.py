"""`plan --by-module` as it is typed."""

import json


def test_it_adds_modules_and_changes_nothing_else(run, tiny_llama):
    arguments = ["plan", str(tiny_llama), "--seq-len", "64", "--json"]
    without, with_them = (json.loads(run(*arguments, *more)[1]) for more in ((), ("--by-module",)))
    modules = with_them.pop("modules")
    assert with_them == without
    assert set(modules["model.layers.0.mlp.up_proj"]) == {"peak", "flops", "recomputed_flops", "held"}
