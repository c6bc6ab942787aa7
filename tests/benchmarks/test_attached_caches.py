import json

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.attached import calibrate_mag, with_caches
from benchmarks.attached_caches import (
    FIRST_BLOCK,
    LITE,
    MAG,
    OURS,
    PARTS,
    THEIRS,
    Bench,
    Way,
    compare,
    find_interval,
    markdown,
)
from benchmarks.commands import app
from trajflow.base import SamplingPlan
from trajflow.calibration import Profile
from trajflow.learning.known import run_known

STEPS, BUDGET = 8, 4
ASKED = [("a mountain", 3), ("a lake at dusk", 4)]
LEARNING = [("a city", 5)]


@pytest.fixture(scope="module")
def random_model(make_pipeline, adapt):
    return adapt(make_pipeline())


@pytest.fixture(scope="module")
def rows(random_model):
    measured = compare(random_model, ASKED, LEARNING, (BUDGET,), Profile(), steps=STEPS)
    return {row["method"]: row for row in measured}


def test_the_network_that_caches_attach_to_answers_the_same_bits(random_model) -> None:
    bench = Bench(random_model, STEPS)
    assert random_model.pipeline.transformer is not bench.network, "the model that was given keeps its own"
    full = Way("", STEPS, SamplingPlan.computing_all("baseline", bench.schedule))
    ours = bench.run(ASKED[0], full)
    known = run_known(random_model, ASKED[:1], STEPS)
    assert ours.computed == STEPS
    assert torch.equal(ours.latents, known.path[-1])


def test_every_cache_of_diffusers_skips_something_and_is_gone_afterwards(rows, random_model) -> None:
    assert set(rows) == {*THEIRS, *OURS}
    for method in THEIRS:
        assert 0 < rows[method]["computed"] < STEPS, method
        assert rows[method]["work"] < 1, method
        assert 5 < rows[method]["psnr_db"] < 100, f"{method} is neither nonsense nor the full run"
    bench = Bench(random_model, STEPS)
    full = Way("", STEPS, SamplingPlan.computing_all("baseline", bench.schedule))
    assert bench.run(ASKED[0], full).computed == STEPS


def test_the_share_of_the_computation_is_that_of_what_is_skipped(rows) -> None:
    """Reuse of the stack skips every block at a reused step, its embedding and projection stay."""
    share = BUDGET / STEPS
    assert share < rows["interval"]["work"] < share + 0.1
    assert rows["interval"]["computed"] == BUDGET
    assert rows["tcc"]["work"] > rows["interval"]["work"], "reuse of the blocks' parts runs their modulation anew"
    assert rows[LITE]["work"] < rows[PARTS]["work"]


def test_taylorseers_interval_comes_nearest_to_the_budget() -> None:
    assert [find_interval(28, budget) for budget in (7, 9, 15, 28)] == [5, 4, 2, 1]


def test_mag_ratios_are_diffusers_own(random_model) -> None:
    bench = Bench(random_model, STEPS)
    full = Way("", STEPS, SamplingPlan.computing_all("baseline", bench.schedule))
    ratios = calibrate_mag(bench.network, lambda: bench.run(LEARNING[0], full), STEPS)
    assert len(ratios) == STEPS
    assert all(0 < ratio < 10 for ratio in ratios)


def test_a_network_with_caches_shares_its_weights(random_model) -> None:
    network = random_model.pipeline.transformer
    twin = with_caches(network)
    ours, theirs = dict(twin.named_parameters()), dict(network.named_parameters())
    assert ours.keys() == theirs.keys()
    assert all(ours[name].data_ptr() == each.data_ptr() for name, each in theirs.items())


def test_the_table_names_what_was_set(rows) -> None:
    text = markdown(list(rows.values()))
    assert "| FirstBlockCache" in text
    assert "threshold" in rows[FIRST_BLOCK]["setting"]
    assert "threshold" in rows[MAG]["setting"]


@pytest.mark.slow
def test_the_command_writes_rows_of_the_bundled_model(tmp_path) -> None:
    out = tmp_path / "caches.json"
    asked = ["block-caches", "--model", "tiny", "--limit", "1", "--steps", "6", "--budgets", "3"]
    done = CliRunner().invoke(app, [*asked, "--methods", "MagCache; interval", "--json", str(out)])
    assert done.exit_code == 0, done.output
    stored = json.loads(out.read_text())
    assert stored["command"].startswith(
        "python -m benchmarks block-caches --model tiny --limit 1 --steps 6 --budgets 3"
    )
    assert [row["method"] for row in stored["rows"]] == ["MagCache", "interval"]
