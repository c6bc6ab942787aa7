"""Batches of prompts, on a model that answers them side by side and on one that does not."""

import pytest
import torch

from trajflow.learning.known import Several, run_known
from trajflow.learning.masks import run_mask, search_mask

STEPS = 6
ASKED = [("snowy mountain", 1), ("dusk forest", 2), ("snowy forest", 2)]


@pytest.mark.parametrize("which", ["model", "mixture"])
def test_a_batch_is_its_prompts_alone(request, which: str) -> None:
    model = request.getfixturevalue(which)
    known = run_known(model, ASKED, STEPS)
    assert isinstance(known.conditioning, Several) == (which == "mixture"), "its means belong to one picture"
    residual = known.residual(model, 3, "stack")
    x = known.path[4] + 0.1
    reused = known.field(model).reuse(x, 4, residual)
    for i, asked in enumerate(ASKED):
        alone = run_known(model, [asked], STEPS)
        assert torch.allclose(known.path[:, i], alone.path[:, 0], atol=1e-4)
        of_one = alone.field(model).reuse(x[i][None], 4, alone.residual(model, 3, "stack"))
        assert torch.allclose(reused[i], of_one[0], atol=1e-3)


def test_masks_are_searched_on_a_model_without_batches_too(mixture) -> None:
    known = run_known(mixture, ASKED, STEPS)
    found = search_mask(mixture, known, 3, "hold")
    even = run_mask(mixture, known, (0, 2, 4), "hold")
    assert found.loss <= even
