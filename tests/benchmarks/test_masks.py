import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from benchmarks.commands import app
from benchmarks.masks import OnSecondOrder, Search, elsewhere, markdown, measure, move_mask, random_start
from trajflow.base import SamplingPlan
from trajflow.field import even_nodes
from trajflow.learning.known import run_known
from trajflow.policies.always import Always
from trajflow.policies.budcache import BudCache
from trajflow.sampler import collect, sample
from trajflow.transitions.dpm import DPMSolver

STEPS, BUDGET = 8, 4
ASKED = [("a mountain", 3), ("a lake at dusk", 4)]


@pytest.fixture(scope="module")
def short(make_pipeline):
    from trajflow.models.registry import wrap

    return wrap(make_pipeline(), "random", {"max_sequence_length": 8, "steps": STEPS, "guidance": 3.0})


def latents(model, plan, transition):
    known = run_known(model, ASKED, STEPS)
    steps, _ = collect(sample(transition, (), plan, known.field(model), ""))
    return steps[-1].latents


def test_under_a_second_order_solver_a_full_mask_is_the_solver_itself(short) -> None:
    known = run_known(short, ASKED, STEPS)
    full = SamplingPlan.reusing("budcache", known.schedule, Always(), tuple(range(STEPS)))
    alone = SamplingPlan.computing_all("dpm++2m", known.schedule)
    assert torch.equal(latents(short, full, OnSecondOrder()), latents(short, alone, DPMSolver()))


def test_a_reused_step_takes_the_solvers_step_with_what_is_held(short) -> None:
    known = run_known(short, ASKED, STEPS)
    mask = even_nodes(STEPS, BUDGET)
    plan = SamplingPlan.reusing("budcache", known.schedule, BudCache(mask, "velocity"), mask)
    field = known.field(short)
    steps, _ = collect(sample(OnSecondOrder(), (), plan, field, ""))
    assert field.nfe == BUDGET
    assert [step.kind == "computed" for step in steps] == [k in mask for k in range(STEPS)]


@pytest.mark.parametrize(("steps", "other"), [(28, 20), (28, 50), (8, 8), (10, 4)])
def test_a_moved_mask_rises_and_keeps_its_count(steps, other) -> None:
    for seed in range(20):
        mask = random_start(steps, 4, seed)
        moved = move_mask(mask, steps, other)
        assert moved[0] == 0
        assert len(set(moved)) == 4
        assert list(moved) == sorted(moved)
        assert moved[-1] < other
        if steps == other:
            assert moved == mask


def test_random_starts_differ_by_seed_and_begin_at_the_noise() -> None:
    starts = {random_start(28, 8, seed) for seed in range(10)}
    assert len(starts) == 10
    assert all(start[0] == 0 and len(start) == 8 for start in starts)


def test_annealing_on_real_runs_is_never_worse_than_its_start(short) -> None:
    search = Search(short, ASKED, STEPS, BUDGET)
    start = random_start(STEPS, BUDGET, 1)
    begun, _ = search.real(1, start=start)
    found, seconds = search.real(6, start=start)
    assert found.loss <= begun.loss
    assert seconds > 0
    assert found.evaluated <= 7


def test_elsewhere_is_the_model_under_other_defaults(short) -> None:
    guided, small, coarse = elsewhere(short)
    assert guided.model.defaults.guidance == 2.0
    assert small.model.defaults.width == small.model.defaults.height < short.defaults.width
    assert coarse.steps == 6
    assert short.defaults.guidance == 3.0


def test_every_part_has_its_rows(short) -> None:
    rows = list(measure(short, ASKED[:1], ASKED[1:], BUDGET, iterations=3, starts=2, foreign=((0, 3, 6, 12), 16)))
    by_part = {part: [row for row in rows if row["part"] == part] for part in ("search", "starts", "solver", "moved")}
    assert {part: len(each) for part, each in by_part.items()} == {"search": 4, "starts": 2, "solver": 4, "moved": 10}
    assert all(len(row["steps"]) == BUDGET and np.isfinite(row["psnr_db"]) for row in rows)
    assert by_part["moved"][0]["steps"] == [0, 2, 3, 6]
    assert by_part["search"][1]["steps"] == by_part["solver"][1]["steps"], "one search, run under both solvers"
    assert len(markdown(rows).splitlines()) == 2 + len(rows)


def test_the_command_refuses_what_it_does_not_know() -> None:
    done = CliRunner().invoke(app, ["masks", "--only", "shapes"])
    assert done.exit_code == 2
    assert "There is no part" in done.stderr


@pytest.mark.slow
def test_the_command_writes_its_rows(tmp_path) -> None:
    out = tmp_path / "masks.json"
    asked = ["masks", "--budget", "3", "--prompts", "1", "--heldout", "1", "--only", "starts", "--starts", "1"]
    done = CliRunner().invoke(app, [*asked, "--json", str(out)])
    assert done.exit_code == 0, done.output
    assert [row["part"] for row in json.loads(out.read_text())["rows"]] == ["starts"]
