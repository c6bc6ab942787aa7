from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import trajflow
from trajflow.base import Forecaster, Trajectory
from trajflow.calibration import MOST_DB, Profile, find_profile, model_digest, read_profile, write_profile
from trajflow.errors import RequestError
from trajflow.forecast import FEATURES, FEATURES_BEFORE, predict
from trajflow.learning.calibrate import FEWEST_RUNS, QUANTILES, Library, calibrate, fit_forecaster
from trajflow.learning.pairs import Pair

STEPS, COUNTS = 8, (2, 4)
PLACING = (
    Pair("a", "snowy mountain", "snowy mountain dusk", 1, ("mountain dusk",)),
    Pair("a", "red cabin", "red cabin fog", 1, ("old cabin", "cabin in fog")),
)
COLOURS, THINGS = ("red", "blue", "green", "grey"), ("boat", "tower", "bridge", "barn")
FORECASTING = tuple(
    Pair("b", f"{colour} {thing}", f"{colour} {thing} {more}", 2, history)
    for colour, following in pairwise((*COLOURS, COLOURS[0]))
    for thing in THINGS
    for more, history in (("dawn", (f"{following} {thing} dawn",)), ("at sea", ()))
)


class Counted:
    """A report that remembers what was entered, with its total, and how often each was called."""

    def __init__(self) -> None:
        self.entered: dict[str, int] = {}
        self.called: dict[str, int] = {}

    @contextmanager
    def __call__(self, what: str, total: int) -> Iterator[Callable[[], object]]:
        self.entered[what], self.called[what] = total, 0

        def done() -> None:
            self.called[what] += 1

        yield done


@pytest.fixture(scope="module")
def calibrated(request) -> tuple[Profile, Counted]:
    report = Counted()
    model = request.getfixturevalue("model")
    return calibrate(model, PLACING, FORECASTING, COUNTS, steps=STEPS, report=report), report


@pytest.fixture(scope="module")
def model(request):
    """One mixture for the module: it is known in closed form, and only its calls are counted."""
    return request.getfixturevalue("shared_mixture")


# The profile


def test_a_profile_has_all_that_was_asked_for(calibrated, model) -> None:
    profile, _ = calibrated
    assert (profile.model, profile.steps) == (model_digest(model.identity()), STEPS)
    for placements in (profile.single, profile.several):
        assert tuple(placements) == COUNTS
        for count, placement in placements.items():
            node_schedule = placement.node_schedule
            assert (
                len(node_schedule.nodes)
                == len(node_schedule.slopes)
                == len(node_schedule.corrections)
                == len(node_schedule.forecasters)
                == count
            )
            assert node_schedule.nodes[0] == 0
            assert node_schedule.nodes[-1] < STEPS
            widths = [{len(each) for each in vars(forecaster).values()} for forecaster in node_schedule.forecasters]
            assert widths == [{FEATURES[min(number, 1)]} for number in range(count)]
            assert {len(each) for each in vars(placement.before).values()} == {FEATURES_BEFORE}
    assert profile.made["placing"] == len(PLACING)
    assert profile.made["forecasting"] == len(FORECASTING)
    assert profile.made["sets_tried"] >= 2 * len(COUNTS)


def test_every_part_is_reported_and_their_number_foretold(calibrated) -> None:
    _, report = calibrated
    assert list(report.entered) == ["from scratch", "nodes", "forecasts"]
    assert report.called == report.entered
    mixed = sum(len(pair.cached) > 1 for pair in FORECASTING)
    assert report.called["forecasts"] == len(COUNTS) * (len(FORECASTING) + mixed)


def test_a_session_on_the_written_profile_climbs_and_forecasts(calibrated, model, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TRAJFLOW_HOME", str(tmp_path))
    profile, _ = calibrated
    write_profile(tmp_path / "profiles" / f"{profile.model}.json", profile)
    assert read_profile(tmp_path / "profiles" / f"{profile.model}.json", profile.model) == profile
    session = trajflow.Session(model)
    assert session.profile == find_profile(model.identity()) == profile
    session.generate("grey tower", seed=7, steps=STEPS)
    near, far = (session.generate("grey tower wind", seed=7, steps=STEPS, fidelity=db) for db in (10.0, 60.0))
    assert near.plan.sampling.escalation == tuple(placement.node_schedule for placement in profile.single.values())
    assert (near.cost.nfe, far.cost.nfe) == COUNTS
    for result in (near, far):
        assert 0.0 <= result.forecast.low_db <= result.forecast.median_db <= result.forecast.high_db <= 100.0


def test_several_sources_are_placed_on_the_pairs_that_have_them_to_the_last_digit_again(model) -> None:
    alone = Pair("a", "wide valley", "wide valley night", 1)
    few = FORECASTING[: 2 * FEWEST_RUNS]
    mixed, related = (calibrate(model, placing, few, (2,), steps=5) for placing in ((alone, *PLACING), PLACING))
    assert mixed.several == related.several
    assert mixed.single != related.single


def test_the_default_grid_is_the_models_own(model) -> None:
    library = Library(model)
    assert library.grid.steps == model.defaults.steps
    calls = model.calls
    run = library.run("grey tower", 3)
    assert isinstance(run, Trajectory)
    assert run.is_true
    assert library.run("grey tower", 3) is run
    assert model.calls == calls + model.defaults.steps


@pytest.mark.parametrize(
    ("placing", "forecasting", "counts", "words"),
    [
        ((), FORECASTING, COUNTS, "pairs to place on"),
        (PLACING, FORECASTING[: 2 * FEWEST_RUNS - 2], COUNTS, f"{FEWEST_RUNS} with a history"),
        (tuple(replace(pair, negative="fog") for pair in PLACING), FORECASTING, COUNTS, "pairs to place on"),
        (PLACING, FORECASTING, (), "budgets from 2 to 7"),
        (PLACING, FORECASTING, (1, 4), r"budgets from 2 to 7, got 1, 4"),
        (PLACING, FORECASTING, (4, 8), r"budgets from 2 to 7, got 4, 8"),
        ((*PLACING, FORECASTING[0]), FORECASTING, COUNTS, "share the target 'red boat dawn'"),
    ],
    ids=["no-pairs", "few", "no-sources", "no-budgets", "one", "all-steps", "overlap"],
)
def test_what_cannot_be_calibrated_is_refused_before_any_run(model, placing, forecasting, counts, words) -> None:
    calls = model.calls
    with pytest.raises(RequestError, match=words) as caught:
        calibrate(model, placing, forecasting, counts, steps=STEPS)
    assert str(caught.value).endswith(".")
    assert model.calls == calls


@pytest.mark.parametrize("steps", [-1, 0, 2, 201])
def test_a_grid_without_room_is_refused(model, steps: int) -> None:
    with pytest.raises(RequestError, match=rf"steps are {steps}. Choose a whole number from 3 to 200\.$"):
        calibrate(model, PLACING, FORECASTING, (2,), steps=steps)


# The regression

TRAINED, NEW, FITS = 240, 4000, 6


def synthetic(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features as at a later node, and PSNR whose spread grows with the distance."""
    rng = np.random.default_rng(seed)
    values = np.column_stack([np.ones(count), rng.uniform(-2, 0, (count, 3))])
    spread = 1.5 + 1.0 * (values[:, 1] + 2)
    return values, 35 + values @ np.array([0.0, -6.0, -3.0, -1.0]) + spread * rng.standard_normal(count)


@pytest.fixture(scope="module")
def trained() -> list[Forecaster]:
    return [fit_forecaster(*synthetic(TRAINED, seed)) for seed in range(FITS)]


@pytest.mark.parametrize(("name", "share"), QUANTILES.items())
def test_of_new_runs_the_right_share_lies_below_each_forecast(trained, name: str, share: float) -> None:
    """Within three standard deviations of a binomial share, over the runs learned on and the new ones of all fits."""
    below = []
    for seed, forecaster in enumerate(trained):
        values, psnr_db = synthetic(NEW, 100 + seed)
        below.append(float((psnr_db < values @ np.array(getattr(forecaster, name))).mean()))
    bound = 3 * (share * (1 - share) * (1 / TRAINED + 1 / NEW) / FITS) ** 0.5
    assert np.mean(below) == pytest.approx(share, abs=bound)


def test_also_after_a_few_runs_only_which_regression_alone_fits_too_closely() -> None:
    runs, fits = 24, 10
    below: dict[str, list[float]] = {"low": [], "high": []}
    for seed in range(fits):
        forecaster = fit_forecaster(*synthetic(runs, 1000 + seed))
        values, psnr_db = synthetic(NEW, 2000 + seed)
        for name, shares in below.items():
            shares.append(float((psnr_db < values @ np.array(getattr(forecaster, name))).mean()))
    for name, shares in below.items():
        share = QUANTILES[name]
        bound = 3 * (share * (1 - share) * (1 / runs + 1 / NEW) / fits) ** 0.5
        assert np.mean(shares) == pytest.approx(share, abs=bound)


def test_four_in_five_new_runs_fall_between_low_and_high(trained) -> None:
    inside = []
    for seed, forecaster in enumerate(trained):
        for value, psnr_db in zip(*synthetic(500, 200 + seed), strict=True):
            told = predict(forecaster, tuple(value))
            inside.append(told.low_db <= psnr_db <= told.high_db)
    assert np.mean(inside) == pytest.approx(0.8, abs=0.05)


def test_an_intercept_alone_is_the_quantile() -> None:
    psnr_db = np.arange(101.0)
    forecaster = fit_forecaster(np.ones((101, 2)) * [1.0, 0.0], psnr_db)
    for name, share in QUANTILES.items():
        intercept, slope = getattr(forecaster, name)
        assert slope == 0.0
        assert intercept == pytest.approx(100 * share, abs=1.5)


def test_a_picture_that_came_out_identical_counts_as_a_finite_one(model) -> None:
    """A target whose words the history combines to nothing new would stand at 100 dB and bend all slopes."""
    profile = calibrate(
        model,
        PLACING,
        tuple(Pair("b", f"grey boat {i}", f"GREY boat {i}", 5, (f"grey  boat {i}",)) for i in range(FEWEST_RUNS)),
        (2,),
        steps=4,
    )
    for placement in (*profile.single.values(), *profile.several.values()):
        assert all(
            predict(placement.before, (1.0, -2.0, 0.0)).high_db <= MOST_DB for _ in placement.node_schedule.nodes
        )
