"""The searched steps: found, stored, read; and the shipped ones."""

import json
from itertools import combinations

import pytest
import torch
from typer.testing import CliRunner

import trajflow
from benchmarks.commands import app
from benchmarks.rivals import from_scratch, subset
from benchmarks.steps import SOLVERS, read_rows, read_steps, search_steps, write_steps
from trajflow.errors import RequestError
from trajflow.learning.known import run_known
from trajflow.learning.pairs import Pair
from trajflow.search import Found

PAIRS = (Pair("time", "a mountain", "a mountain at dusk", 3), Pair("time", "a forest", "a snowy forest", 4))


@pytest.fixture(scope="module")
def model():
    return trajflow.load("tiny")


def test_a_batch_is_its_runs_side_by_side(model):
    steps = 5
    batch = run_known(model, [(pair.target, pair.seed) for pair in PAIRS], steps)
    shape = model.latent_shape(model.defaults.height, model.defaults.width)
    for i, pair in enumerate(PAIRS):
        asked = model.encode(pair.target, "", model.defaults.guidance)
        alone = from_scratch(model, asked, model.noise(pair.seed, shape), "fewer-steps", model.schedule(steps, shape))
        assert torch.allclose(batch.path[-1][i : i + 1], alone.latents, atol=1e-3)


def test_the_search_finds_the_best_set_and_never_asks_the_same_state_twice(mixture):
    steps, count = 7, 3
    shape = (1, 3, 8, 8)
    # The closed-form model answers one prompt at a time, so the batch is of one.
    found = {
        (solver, k): each
        for solver, k, each in search_steps(mixture, PAIRS[:1], counts=(count,), steps=steps, iterations=40, rounds=5)
    }
    assert set(found) == {(solver, count) for solver in SOLVERS}
    best = found["fewer-steps", count]
    asked, noise = mixture.encode(PAIRS[0].target, "", 1.0), mixture.noise(3, shape)
    grid = mixture.schedule(steps, shape)
    full = from_scratch(mixture, asked, noise, "fewer-steps", grid).latents

    def loss(nodes: tuple[int, ...]) -> float:
        made = from_scratch(mixture, asked, noise, "fewer-steps", subset(grid, nodes))
        return float((made.latents - full).square().mean())

    every = {(0, *others): loss((0, *others)) for others in combinations(range(1, steps), count - 1)}
    assert best.loss == pytest.approx(min(every.values()), rel=1e-5)
    assert every[best.nodes] == pytest.approx(best.loss, rel=1e-5)
    # N for the reference, then at most one evaluation for each distinct beginning (0), (0, a), (0, a, b) and solver.
    beginnings = 1 + (steps - 1) + len(every)
    assert mixture.calls <= steps + len(SOLVERS) * beginnings + steps + count * len(every)


def test_what_is_written_is_read_again(mixture, tmp_path):
    found = list(search_steps(mixture, PAIRS[:1], counts=(2, 3), steps=6, iterations=3, rounds=1))
    write_steps(tmp_path / "rivals.json", found, {"command": "a test", "steps": 6})
    steps = read_steps(tmp_path / "rivals.json")
    assert steps == {
        solver: {len(each.nodes): each.nodes for name, _, each in found if name == solver} for solver in SOLVERS
    }


def test_the_shipped_steps_serve_every_solver_and_budget_of_the_evidence(model):
    from benchmarks.evidence.bench import FULL

    steps = read_steps()
    assert set(steps) == set(SOLVERS)
    for by_count in steps.values():
        for budget in FULL.budgets:
            nodes = by_count[budget]
            assert len(nodes) == budget
            assert nodes[0] == 0
            assert list(nodes) == sorted(set(nodes))
            assert nodes[-1] < model.defaults.steps


@pytest.mark.parametrize("text", ["", "{}", '{"found": [{"solver": "ab2"}]}', "[1]"])
def test_damaged_steps_are_refused_in_one_sentence(tmp_path, text: str):
    path = tmp_path / "rivals.json"
    path.write_text(text)
    with pytest.raises(RequestError, match="python -m benchmarks rivals"):
        read_steps(path)
    with pytest.raises(RequestError, match="nowhere"):
        read_steps(tmp_path / "nowhere.json")


def test_the_command_searches_and_stores(tmp_path):
    out = tmp_path / "new" / "rivals.json"
    asked = ["rivals", "--out", str(out), "--prompts", "2", "--counts", "2", "--iterations", "1"]
    done = CliRunner().invoke(app, [*asked, "--rounds", "0", "--steps", "4"])
    assert done.exit_code == 0, done.output
    assert {solver: list(by_count) for solver, by_count in read_steps(out).items()} == {
        solver: [2] for solver in SOLVERS
    }
    stored = json.loads(out.read_text())
    assert len(stored["prompts"]) == 2
    assert stored["command"] == "python -m benchmarks rivals --prompts 2 --iterations 1 --rounds 0 --counts 2 --steps 4"


def test_a_search_starts_from_what_is_known_where_that_is_better(mixture):
    steps, options = 10, {"steps": 10, "iterations": 0, "rounds": 0}
    searched = {
        (solver, k): each
        for solver, k, each in search_steps(mixture, PAIRS[:1], counts=(3, 4), steps=steps, iterations=60, rounds=8)
    }
    known = {solver: {3: searched[solver, 3].nodes} for solver in SOLVERS}
    for solver, count, even in search_steps(mixture, PAIRS[:1], counts=(4,), **options):
        [grown] = [
            each
            for name, _, each in search_steps(mixture, PAIRS[:1], counts=(4,), known=known, known_steps=10, **options)
            if name == solver
        ]
        assert grown.loss <= even.loss
        assert searched[solver, count].loss <= grown.loss + 1e-12
    stretched = search_steps(mixture, PAIRS[:1], counts=(3,), known=known, known_steps=5, **options)
    assert all(len(each.nodes) == 3 and each.nodes[-1] < steps for _, _, each in stretched)


def test_what_was_not_searched_anew_stays_in_the_file(tmp_path):
    path = tmp_path / "steps.json"
    write_steps(path, [("unipc", 3, Found((0, 1, 2), 0.5, 9)), ("ab2", 4, Found((0, 1, 2, 3), 0.1, 9))], {"steps": 8})
    steps, rows = read_rows(path)
    assert (steps, [(row["solver"], row["count"]) for row in rows]) == (8, [("ab2", 4), ("unipc", 3)])
    write_steps(path, [("unipc", 3, Found((0, 4, 5), 0.4, 9))], {"steps": 8}, rows)
    assert read_steps(path) == {"ab2": {4: (0, 1, 2, 3)}, "unipc": {3: (0, 4, 5)}}
