"""Batches of prompts, on a model that answers them side by side and on one that does not."""

import pytest
import torch

import trajflow
from trajflow.learning.known import Library, run_known
from trajflow.learning.masks import run_mask, search_mask

STEPS = 6
ASKED = [("snowy mountain", 1), ("dusk forest", 2), ("snowy forest", 2)]


@pytest.mark.parametrize("which", ["model", "mixture"])
def test_a_batch_is_its_prompts_alone(request, which: str) -> None:
    model = request.getfixturevalue(which)
    known = run_known(model, ASKED, STEPS)
    assert known.conditioning.counts == ((1, 1, 1) if which == "mixture" else (3,)), "its means belong to one picture"
    residual = known.residual(model, 3, "stack")
    x = known.path[4] + 0.1
    reused = known.field(model).reuse(x, 4, residual)
    for i, asked in enumerate(ASKED):
        alone = run_known(model, [asked], STEPS)
        assert torch.allclose(known.path[:, i], alone.path[:, 0], atol=1e-4)
        of_one = alone.field(model).reuse(x[i][None], 4, alone.residual(model, 3, "stack"))
        assert torch.allclose(reused[i], of_one[0], atol=1e-3)


@pytest.mark.parametrize("level", ["stack", "blocks"])
def test_a_batch_larger_than_the_model_takes_is_asked_in_parts(pipeline, adapt, level: str) -> None:
    whole, small = adapt(pipeline), adapt(pipeline)
    small.most_prompts = 2
    expected, known = run_known(whole, ASKED, STEPS), run_known(small, ASKED, STEPS)
    assert (expected.conditioning.counts, known.conditioning.counts) == ((3,), (2, 1))
    torch.testing.assert_close(known.path, expected.path, rtol=1e-3, atol=1e-4)
    there, here = (each.residual(whole, 3, level) for each in (expected, known))
    x = known.path[4] + 0.1
    again = known.field(small).reuse(x, 4, here)
    torch.testing.assert_close(again, expected.field(whole).reuse(x, 4, there), rtol=1e-3, atol=1e-3)


def test_a_library_makes_each_run_once_and_alone_where_the_model_takes_one(mixture) -> None:
    library, made = Library(mixture, STEPS), []
    library.make([*ASKED, ASKED[0]], lambda: made.append(mixture.calls))
    assert made == [STEPS, 2 * STEPS, 3 * STEPS]
    known = library.known([ASKED[2], ASKED[0]])
    assert mixture.calls == 3 * STEPS
    for i, asked in enumerate((ASKED[2], ASKED[0])):
        assert torch.equal(known.velocities[:, i : i + 1], library.run(*asked).velocities)
        assert torch.equal(known.path[:, i], run_known(mixture, [asked], STEPS).path[:, 0])


def test_a_run_of_the_library_is_the_run_of_a_session(model) -> None:
    session = trajflow.Session(model)
    session.generate("a red cabin", seed=5, steps=STEPS, strategy="baseline")
    [entry] = session.entries()
    run = Library(model, STEPS).run("a red cabin", 5)
    assert torch.equal(run.velocities, entry.trajectory.velocities)
    assert run.kinds == entry.trajectory.kinds


def test_masks_are_searched_on_a_model_without_batches_too(mixture) -> None:
    known = run_known(mixture, ASKED, STEPS)
    found = search_mask(mixture, known, 3, "hold")
    even = run_mask(mixture, known, (0, 2, 4), "hold")
    assert found.loss <= even
