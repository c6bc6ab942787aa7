"""The negative branch at the noise: evaluated once, shared by every run of that noise and negative prompt."""

import pytest
import torch

import trajflow
from trajflow.cache.document import read_document, write_document
from trajflow.field import Field


def test_a_shared_negative_branch_saves_a_row_and_changes_the_last_bits_at_most(model) -> None:
    shape = model.latent_shape(32, 32)
    noise, grid = model.noise(0, shape), model.schedule(4, shape)
    first = Field(model, model.encode("a mountain", "fog", 4.0), grid, noise, 4)
    first.evaluate(noise, 0)
    asked = model.encode("a snowy forest", "fog", 4.0)
    both, one = Field(model, asked, grid, noise, 4), Field(model, asked, grid, noise, 4, first.negative)
    torch.testing.assert_close(one.evaluate(noise, 0), both.evaluate(noise, 0), atol=1e-5, rtol=1e-4)
    assert (both.nfe, both.rows, both.is_start_exact) == (1, 2, True)
    assert (one.nfe, one.rows, one.is_start_exact) == (1, 1, False)
    # Only the noise is shared: at any other state both rows are asked for.
    one.evaluate(noise + 1, 0)
    one.evaluate(noise, 1)
    assert (one.nfe, one.rows) == (3, 5)


def test_three_evaluations_from_a_cached_run_are_five_rows(mixture) -> None:
    session = trajflow.Session(mixture)
    assert session.generate("a mountain", guidance=3.0).cost == trajflow.Cost(8, 16)
    carried = session.generate("a mountain at dusk", guidance=3.0, budget=3)
    assert carried.cost == trajflow.Cost(3, 5)
    # What it took over it hands on, and another negative prompt shares nothing.
    assert session.generate("a mountain in fog", guidance=3.0, budget=3).cost.rows == 5
    denied = session.generate("a mountain at dusk", guidance=3.0, budget=3, negative_prompt="fog")
    assert (bool(denied.plan.sources), denied.cost.rows) == (True, 6)


def test_without_guidance_there_is_one_row_as_ever(mixture) -> None:
    session = trajflow.Session(mixture)
    session.generate("a mountain")
    assert session.entries()[0].trajectory.negative is None
    assert session.generate("a mountain at dusk", budget=3).cost == trajflow.Cost(3, 3)


@pytest.mark.parametrize("way", ["complete", "compare", "budget", "refine"])
def test_what_must_equal_the_from_scratch_run_pays_for_both_rows(model, way: str) -> None:
    true = trajflow.Session(model).generate("a snowy forest", steps=6, guidance=4.0, height=32, width=32)
    session = trajflow.Session(model)
    asked = {"steps": 6, "guidance": 4.0, "height": 32, "width": 32}
    session.generate("a mountain", **asked)
    if way == "complete":
        assert session.generate("a snowy forest", budget=2, **asked).cost.rows == 3
        *_, result = session.complete()
        assert result.baseline_cost == trajflow.Cost(6, 12)
        made = result.baseline
    elif way == "compare":
        made = session.generate("a snowy forest", budget=2, compare=True, **asked).baseline
    elif way == "budget":
        made = session.generate("a snowy forest", budget=6, **asked).image
    else:
        made = list(session.stream("a snowy forest", refine=True, **asked))[-1].image
    assert made.tobytes() == true.image.tobytes()


def test_the_branch_is_kept_on_the_disk_and_counted(mixture, tmp_path) -> None:
    session = trajflow.Session(mixture, cache_bytes=12000, spill=tmp_path)
    for prompt in ("a mountain", "a forest"):
        session.generate(prompt, guidance=3.0, strategy="baseline")
    held = session.nbytes_by_place()
    assert held["disk"] > 0, held
    trajectory = min(session.entries(), key=lambda entry: entry.created).trajectory
    assert torch.equal(trajectory.negative, mixture.velocity(trajectory.noise, 1.0, ""))
    assert trajectory.nbytes == (1 + 8 + 1) * trajectory.noise.nbytes


def test_one_row_still_knows_the_prompt_it_has_seen(model) -> None:
    """The last bits of v_0 differ, and yet the path of a prompt that reads the same is followed bit for bit."""
    session = trajflow.Session(model)
    asked = {"steps": 6, "guidance": 4.0, "height": 32, "width": 32}
    true = session.generate("a snowy forest", **asked)
    again = session.generate("A snowy forest", budget=3, **asked)
    assert again.cost.rows == 5
    assert again.image.tobytes() == true.image.tobytes()


def test_a_document_says_whether_the_start_is_the_from_scratch_runs(mixture) -> None:
    session = trajflow.Session(mixture)
    session.generate("a mountain", guidance=3.0)
    session.generate("a mountain at dusk", guidance=3.0, budget=3)
    for entry in session.entries():
        again = read_document(write_document(entry))
        assert again.trajectory == entry.trajectory
        assert again.trajectory.is_start_exact is entry.is_true
