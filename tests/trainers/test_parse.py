"""Files of settings: three syntaxes, and what is refused in a sentence."""

import contextlib
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anatomy.errors import SourceError
from anatomy.trainers.parse import MOST_BYTES, parse, read_settings

SAME = {
    "yaml": "a: 1\nb: [x, y]\nc: {d: true}\n",
    "json": '{"a": 1, "b": ["x", "y"], "c": {"d": true}}',
    "toml": 'a = 1\nb = ["x", "y"]\nc = { d = true }\n',
}


@pytest.fixture
def write(tmp_path):
    def call(text, name="settings"):
        file = tmp_path / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(file)

    return call


@pytest.mark.parametrize("syntax", SAME)
@pytest.mark.parametrize("name", ["settings", "settings.yaml", "settings.json", "settings.toml"])
def test_the_text_tells_its_syntax_not_the_name(write, syntax, name):
    assert read_settings(write(SAME[syntax], name)) == {"a": 1, "b": ["x", "y"], "c": {"d": True}}


def test_yaml_in_braces_is_yaml(write):
    assert read_settings(write("{a: 1, b: two}")) == {"a": 1, "b": "two"}


def test_anchors_and_merges_are_understood(write):
    text = "base: &base {lora_r: 8, lora_alpha: 16}\nrun:\n  <<: *base\n  lora_r: 32\n"
    assert read_settings(write(text))["run"] == {"lora_r": 32, "lora_alpha": 16}


def nested_aliases(levels):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels):
        inside = ", ".join([f"*a{level - 1}"] * 10)
        lines.append(f"a{level}: &a{level} [{inside}]")
    return "\n".join(lines)


REFUSED = {
    "empty": ("", "is empty"),
    "comments alone": ("# nothing\n", "is empty"),
    "an empty object": ("{}", "is empty"),
    "a list": ("- a\n- b\n", "holds no settings"),
    "prose": ("a recipe for disaster", "holds no settings"),
    "binary": (b"\xff\xfe\x00\x01" * 20, "it is not text"),
    "control characters": (b"\x00\x01", "characters that no text has"),
    "a key twice": ("adapter: lora\nadapter: qlora\n", "sets adapter twice"),
    "a key twice inside": ("a: {b: 1, b: 2}", "sets b twice"),
    "a key twice in JSON": ('{"lora_r": 8, "lora_r": 9}', "sets lora_r twice"),
    "a tab": ("a: 1\n\tb: 2\n", "(line 2)"),
    "code": ('a: !!python/object/apply:os.system ["true"]', "could not determine a constructor"),
    "two documents": ("a: 1\n---\nb: 2\n", "found another document"),
    "an alias to what it is in": ("a: &a {b: *a}", "stand for too many values"),
    "aliases of aliases": (nested_aliases(9), "stand for too many values"),
    "an alias to nothing": ("a: *b\n", "found undefined alias"),
    "deep lists": ("[" * 20_000, "nests too deeply"),
    "deep objects": ('{"a":' * 20_000, "cannot be read"),
    "too large": ("a: 1\n" + "#" * MOST_BYTES, "more than any file of settings"),
    "an impossible date": ("a: 2024-99-99", "impossible value"),
    "an unhashable key": ("? [a]\n: 1\n", "cannot be read"),
}


@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_in_a_sentence(write, text, said):
    start = time.process_time()
    with pytest.raises(SourceError) as caught:
        read_settings(write(text))
    assert said in caught.value.message
    assert caught.value.message.count("\n") == 0
    assert caught.value.hint
    assert time.process_time() - start < 5


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.text("ab:-[]{},&*!?|>'\"#%@`\n \t=.1", max_size=40))
@example("\x00")
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(SourceError):
        parse(text, "file")


def test_no_such_file(tmp_path):
    with pytest.raises(SourceError, match="No such file"):
        read_settings(str(tmp_path / "absent.yml"))
    with pytest.raises(SourceError, match="Is a directory"):
        read_settings(str(tmp_path))
