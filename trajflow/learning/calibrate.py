"""Learn a model's profile: node placements, shares, and forecasts, each on prompts of its own.

Forecasts are linear quantile regressions of the PSNR on what a run has seen (`forecast.py`). Their intercepts are moved
so that, in cross-validation, the right share of left-out runs lies below each (conformalized quantile regression,
arXiv:1905.03222).
"""

import importlib.metadata
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import product

import numpy as np
from PIL.Image import Image

from trajflow.base import Forecaster, Model, NodeDiagnostics, NodeSchedule
from trajflow.cache import SentenceEncoder
from trajflow.calibration import MOST_DB, Placement, Profile, model_digest
from trajflow.errors import RequestError
from trajflow.extras import require
from trajflow.field import latents_at
from trajflow.forecast import features, features_before
from trajflow.learning.known import Library
from trajflow.learning.leads import place_far
from trajflow.learning.pairs import Pair
from trajflow.learning.placing import QuadratureSurrogate, fit_shares, make_plan, place
from trajflow.metrics import compare_images
from trajflow.policies.budcache import BudCache
from trajflow.policies.calibrated import Calibrated
from trajflow.sampler import collect, sample
from trajflow.settings import MOST_STEPS
from trajflow.transitions.basis import Basis

QUANTILES = {"low": 0.1, "assured": 0.2, "median": 0.5, "high": 0.9}
FOLDS = 6
VERIFIED = 24
FEWEST_RUNS = 12
FEWEST_STEPS = 3

Report = Callable[[str, int], AbstractContextManager[Callable[[], object]]]


def silent(_: str, __: int) -> AbstractContextManager[Callable[[], object]]:
    """Report nothing."""
    return nullcontext(lambda: None)


def calibrate(
    model: Model,
    placing: Sequence[Pair],
    forecasting: Sequence[Pair],
    counts: Sequence[int],
    *,
    steps: int | None = None,
    seed: int = 0,
    profile: Profile = Profile(),  # noqa: B008
    report: Report = silent,
) -> Profile:
    """The profile of a model, from two sets of pairs that share no prompt with each other and one seed.

    Pairs with a negative prompt are left out. `profile` is what is known already: the steps its solver computes are
    tried as nodes for far sources. `counts` are the numbers of evaluations to prepare; `report(what, total)` is entered
    around each stage and gives what to call after each part of it. Raises RequestError when the sets are too small or
    overlap, or for a count that the grid has no room for, and MissingExtra without its packages.
    """
    require("calibrate", "Learning what to expect")
    placing, forecasting = ([pair for pair in pairs if pair.is_of_prompts] for pairs in (placing, forecasting))
    _check(placing, forecasting, counts, model.defaults.steps if steps is None else steps)
    library = Library(model, steps)
    grid_steps = library.grid.steps
    wanted = dict.fromkeys(
        (prompt, pair.seed) for pair in (*placing, *forecasting) for prompt in (*pair.cached, pair.target)
    )
    with report("from scratch", len(wanted)) as done:
        library.make(wanted, done)
    ends = {pair: model.decode(latents_at(library.run(pair.target, pair.seed), grid_steps)) for pair in forecasting}
    found: dict[str, dict[int, Placement]] = {"single": {}, "several": {}}
    searched = 0
    related = [pair for pair in placing if len(pair.cached) > 1] or placing
    smallest = min(len(pair.cached) for pair in related)
    with report("nodes", 2 * sum(counts)) as done:
        for name, most, pairs in (("single", 1, placing), ("several", smallest, related)):
            cases = [library.case(pair, most) for pair in pairs]
            forced = QuadratureSurrogate(cases)
            # Of one source there are as many cases as sources, and coefficients need many.
            wide = [*cases, *(library.case(turned(pair), 1) for pair in pairs if pair.history and most == 1)]
            for count in counts:
                nodes, tried = place(model, cases, count, verify=VERIFIED, seed=seed, forced=forced)
                searched += tried
                near = fit_shares(model, cases, nodes, done)
                found[name][count] = Placement(place_far(model, wide, near, _solver_nodes(profile, count)))
    encoder = SentenceEncoder()
    mixed = [pair for pair in forecasting if len(pair.cached) > 1]
    with report("forecasts", len(counts) * (len(forecasting) + len(mixed))) as done:
        for (name, sources), count in product((("single", 1), ("several", None)), counts):
            placement = found[name][count]
            usable = forecasting if sources == 1 else mixed
            runs = list(_outcomes(library, usable, sources, placement.node_schedule, ends, encoder, done))
            found[name][count] = _with_forecasts(placement.node_schedule, runs)
    made = {
        "trajflow": importlib.metadata.version("trajflow"),
        "placing": len(placing),
        "forecasting": len(forecasting),
        "sets_tried": searched,
        "seed": seed,
    }
    return Profile(model_digest(model.identity()), grid_steps, found["single"], found["several"], made=made)


def check_counts(counts: Sequence[int], steps: int) -> None:
    """Raises RequestError unless each of `counts`, at least one, leaves something of `steps` to save."""
    if not FEWEST_STEPS <= steps <= MOST_STEPS:
        raise RequestError(f"The steps are {steps}. Choose a whole number from {FEWEST_STEPS} to {MOST_STEPS}.")
    if not counts or not all(2 <= count < steps for count in counts):
        raise RequestError(f"Choose budgets from 2 to {steps - 1}, got {', '.join(map(str, counts)) or 'none'}.")


def _check(placing: Sequence[Pair], forecasting: Sequence[Pair], counts: Sequence[int], steps: int) -> None:
    if len(placing) < 1 or sum(len(pair.cached) > 1 for pair in forecasting) < FEWEST_RUNS:
        raise RequestError(f"Calibration needs pairs to place on, and {FEWEST_RUNS} with a history to forecast on.")
    check_counts(counts, steps)
    check_apart(placing, forecasting)


def check_apart(learning: Sequence[Pair], forecasting: Sequence[Pair]) -> None:
    """Raises RequestError where a target with its seed is in both."""
    shared = {(p.target, p.seed) for p in learning} & {(p.target, p.seed) for p in forecasting}
    if shared:
        raise RequestError(f"Placing and forecasting share the target {next(iter(shared))[0]!r}. Keep them apart.")


def turned(pair: Pair) -> Pair:
    """The pair with the first prompt of its history as its source."""
    first, *others = pair.history
    return replace(pair, source=first, history=(pair.source, *others))


def _solver_nodes(profile: Profile, count: int) -> tuple[tuple[int, ...], ...]:
    """The steps that the learned solver computes at this budget, where it was calibrated."""
    caching = profile.without_sources.get(count)
    solver = None if caching is None else caching.policies.get("solver")
    if not isinstance(solver, Calibrated) or not isinstance(solver.policy, BudCache):
        return ()
    return (solver.policy.mask,)


Outcome = tuple[tuple[float, ...], tuple[NodeDiagnostics, ...], float]


def _outcomes(
    library: Library,
    pairs: Sequence[Pair],
    sources: int | None,
    node_schedule: NodeSchedule,
    ends: dict[Pair, Image],
    encoder: SentenceEncoder,
    done: Callable[[], object],
) -> Iterator[Outcome]:
    """What each run knew before, what it saw, and the PSNR it reached."""
    for pair in pairs:
        case = library.case(pair, sources)
        field = case.field(library.model)
        steps, _ = collect(sample(Basis(), case.sources, make_plan(case, node_schedule), field, pair.target))
        target = encoder.encode(pair.target)
        similarity = max(float(encoder.encode(prompt) @ target) for prompt in pair.cached[:sources])
        psnr_db = compare_images(library.model.decode(steps[-1].latents), ends[pair]).psnr_db
        before = features_before(similarity, len(case.sources))
        yield before, tuple(step.diagnosis for step in steps if step.diagnosis is not None), min(MOST_DB, psnr_db)
        done()


def _with_forecasts(node_schedule: NodeSchedule, runs: Sequence[Outcome]) -> Placement:
    psnr_db = np.array([measured for _, _, measured in runs])
    before = fit_forecaster(np.array([before for before, _, _ in runs]), psnr_db)
    if node_schedule.far is None:
        return Placement(_forecasting(node_schedule, runs), before)
    far = [run for run in runs if run[1][0].unexplained > node_schedule.far_from]
    near = [run for run in runs if run[1][0].unexplained <= node_schedule.far_from]
    # Of too few runs of one kind nothing is learned but from all of them.
    made = replace(
        _forecasting(node_schedule, near if len(near) >= FEWEST_RUNS else runs),
        far=_forecasting(node_schedule.far, far if len(far) >= FEWEST_RUNS else runs),
    )
    return Placement(made, before)


def _forecasting(node_schedule: NodeSchedule, runs: Sequence[Outcome]) -> NodeSchedule:
    psnr_db = np.array([measured for _, _, measured in runs])
    at_nodes = [
        fit_forecaster(np.array([features(diagnostics[: number + 1]) for _, diagnostics, _ in runs]), psnr_db)
        for number in range(len(node_schedule.nodes))
    ]
    return replace(node_schedule, forecasters=tuple(at_nodes))


def fit_forecaster(values: np.ndarray, psnr_db: np.ndarray) -> Forecaster:
    """Quantile regressions of `psnr_db` [R] on `values` [R, F] whose first column is 1."""
    fitted = {name: _fit(values, psnr_db, quantile) for name, quantile in QUANTILES.items()}
    return Forecaster(**{name: tuple(round(float(c), 4) for c in each) for name, each in fitted.items()})


def _fit(values: np.ndarray, psnr_db: np.ndarray, quantile: float) -> np.ndarray:
    coefficients = _regress(values, psnr_db, quantile)
    folds = np.arange(len(psnr_db)) % FOLDS
    left_out = np.concatenate(
        [
            psnr_db[folds == fold]
            - values[folds == fold] @ _regress(values[folds != fold], psnr_db[folds != fold], quantile)
            for fold in range(FOLDS)
        ]
    )
    coefficients[0] += np.quantile(left_out, quantile)
    return coefficients


def _regress(values: np.ndarray, psnr_db: np.ndarray, quantile: float) -> np.ndarray:
    """Coefficients [F]; the first column of `values` is the intercept's."""
    from sklearn.linear_model import QuantileRegressor

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = QuantileRegressor(quantile=quantile, alpha=1e-3, solver="highs").fit(values[:, 1:], psnr_db)
    return np.array([model.intercept_, *model.coef_])
