"""Where something happens, said as people say it."""

import pytest

from anatomy.memory.timeline import Phase
from anatomy.planning.words import where


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (
            (Phase.BACKWARD, 2, "model.layers.3.mlp.down_proj", "aten.mm"),
            "in backward of step 2, in model.layers.3.mlp.down_proj (aten.mm)",
        ),
        (
            (Phase.FORWARD, 1, "base_model.model.lm_head.base_layer", "aten.mm"),
            "in forward of step 1, in lm_head (aten.mm)",
        ),
        (
            (Phase.BACKWARD, 2, "base_model.model", "aten._log_softmax_backward_data"),
            "in backward of step 2, in the loss (aten._log_softmax_backward_data)",
        ),
        ((Phase.LOSS, 2, "", "aten._log_softmax"), "in the loss of step 2 (aten._log_softmax)"),
        ((Phase.LOAD, 0, "lm_head", "load"), "while the model is loaded, in lm_head"),
        ((Phase.OPTIMIZER, 2, "", ""), "in the optimizer step of step 2"),
    ],
)
def test_where(place, words):
    assert where(*place) == words
