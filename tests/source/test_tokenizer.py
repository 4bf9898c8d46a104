"""Tokenizers' files, beside what the libraries that wrote them say."""

import json

import pytest

from anatomy.blueprint import Origin
from anatomy.errors import SourceError
from anatomy.source.tokenizer import read_tokenizer
from anatomy.source.tokenizer_json import parse_tokenizer

CORPUS = ["a vocabulary of words", 'and merges: "quoted" and {braces}', "日本語 too, and 🤗"] * 20


def trained(kind):
    tokenizers = pytest.importorskip("tokenizers")
    models, trainers = tokenizers.models, tokenizers.trainers
    special = ["<s>", "</s>", "<|日本|>"]
    model, trainer = {
        "BPE": lambda: (models.BPE(), trainers.BpeTrainer(vocab_size=120, special_tokens=special)),
        "Unigram": lambda: (models.Unigram(), trainers.UnigramTrainer(vocab_size=90, special_tokens=special)),
        "WordPiece": lambda: (
            models.WordPiece(unk_token="<s>"),
            trainers.WordPieceTrainer(vocab_size=100, special_tokens=special),
        ),
        "WordLevel": lambda: (
            models.WordLevel(unk_token="<s>"),
            trainers.WordLevelTrainer(special_tokens=special),
        ),
    }[kind]()
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens(["<|later|>"])
    tokenizer.add_tokens(["word"])
    return tokenizer


@pytest.mark.parametrize("pretty", [False, True])
@pytest.mark.parametrize("kind", ["BPE", "Unigram", "WordPiece", "WordLevel"])
def test_as_the_tokenizers_library_has_it(kind, pretty):
    real = trained(kind)
    found = parse_tokenizer(real.to_str(pretty=pretty).encode(), what="it")
    ids = real.get_vocab(with_added_tokens=True).values()
    assert (found.kind, found.size, found.highest) == (kind, real.get_vocab_size(), max(ids))
    assert found.special == ("<s>", "</s>", "<|日本|>", "<|later|>")


def test_a_token_called_vocab_is_a_token():
    model = {"type": "BPE", "vocab": {"vocab": 0, "model": 1, "added_tokens": 2, "}": 3}, "merges": ["v o"]}
    data = json.dumps({"model": model, "added_tokens": []}).encode()
    assert parse_tokenizer(data, what="it").size == 4


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"[]", b"{}", b'{"model": 1}', b'{"model": {"vocab": 1}}', b'{"model": {"vocab": {"a": "b"}}}',
        b'{"model": {"vocab": {"a": 1', b'{"model": {"vocab": [[1]]}, "added_tokens": {}}', b"\xff\xfe", b'{"a" 1}',
        b"[" * 100_000, b'{"a":' * 100_000, b'{"model":' * 100_000, b'{"model": {"vocab": []}}', b'{1: 2}',
    ],
)  # fmt: skip
def test_what_is_none_is_refused_in_a_sentence(data):
    with pytest.raises(SourceError):
        parse_tokenizer(data, what="it")


def test_what_is_too_large_is_refused():
    with pytest.raises(SourceError, match="larger than is read"):
        parse_tokenizer(b"[" + b"0," * 5_000_000, what="it")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tokenizer.json").write_text(trained("BPE").to_str(), encoding="utf-8")
    settings = {
        "tokenizer_class": "TinyTokenizer", "bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": False},
        "model_max_length": 1000000000000000019884624838656, "chat_template": "{{ messages }}",
    }  # fmt: skip
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return tmp_path


def test_settings(folder):
    found = read_tokenizer(Origin(kind="folder", location=str(folder)))
    assert found.kind == "TinyTokenizer"
    assert found.named == {"bos_token": "<s>", "eos_token": "</s>"}
    assert found.chat_template
    assert found.longest is None


def test_a_template_in_a_file_of_its_own(folder):
    (folder / "tokenizer_config.json").write_text('{"model_max_length": 512}', encoding="utf-8")
    origin = Origin(kind="file", location=str(folder / "config.json"))
    assert not read_tokenizer(origin).chat_template
    (folder / "chat_template.jinja").write_text("{{ messages }}", encoding="utf-8")
    assert read_tokenizer(origin).chat_template
    assert read_tokenizer(origin).longest == 512


def test_no_files_no_tokenizer(tmp_path):
    assert read_tokenizer(Origin(kind="folder", location=str(tmp_path))) is None
    assert read_tokenizer(Origin(kind="catalog", location="gpt2")) is None


def test_a_link_out_of_the_folder_is_not_followed(folder, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "tokenizer.json").symlink_to(folder / "tokenizer.json")
    with pytest.raises(SourceError, match="leads out of"):
        read_tokenizer(Origin(kind="folder", location=str(inner)))
