"""The names read in the source are those of the imported class."""

from transformers.training_args import OptimizerNames

from anatomy.training.optimizers.names import optimizer_names


def test_the_source_says_what_the_class_has():
    assert optimizer_names() == tuple(name.value for name in OptimizerNames)


def test_without_transformers_nothing_is_known(monkeypatch):
    monkeypatch.setattr("anatomy.training.optimizers.names.find_spec", lambda name: None)
    assert optimizer_names() is None
