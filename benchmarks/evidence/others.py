"""The parts that look at sessions, ingredients and runs without a source: each in the terms of its own module."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks import ablation, block_caches, chains, planner, policies, refinement, verdicts
from benchmarks.evidence.bench import PAIRS_FILE, Bench, Scale, read_shortened
from benchmarks.judge import load_judge
from benchmarks.steps import Steps, read_steps, search_steps, write_steps
from trajflow.assets import WORLD, asset
from trajflow.calibration import Profile, find_profile, model_digest, read_profile, write_profile
from trajflow.learning.known import Asked
from trajflow.learning.pairs import Pair, read_pairs
from trajflow.learning.without_sources import calibrate_alone

Rows = list[dict[str, Any]]
GRID_STRATEGIES = ("budcache", "aligned", "solver")
GRID_SEARCHED = 6
QUICK_CACHES = block_caches.Size(doubles=1, singles=1, heads=2, side=2)


def measure_ablation(bench: Bench, scale: Scale) -> Rows:
    """What each ingredient of transport is worth, on edits of one attribute."""
    pairs = read_shortened(PAIRS_FILE, scale)
    edits = [pair for pair in pairs if pair.is_of_prompts and pair.kind not in WORLD.light][: scale.ablated]
    return ablation.summarise(list(ablation.ablate(bench.model, edits, scale.budgets)))


def measure_planner(bench: Bench, scale: Scale) -> Rows:
    """Forecasts held against measurements, and fidelities asked for against those reached."""
    requests = read_shortened(WORLD.requests_heldout, scale)[: scale.requests]
    return planner.summarise(list(planner.judge_planner(bench.model, requests, (5,), (36.0, 40.0, 44.0))))


def measure_refinement(bench: Bench, scale: Scale) -> Rows:
    """Every picture of a refined run."""
    pairs = read_shortened(PAIRS_FILE, scale)[: scale.refined]
    return refinement.summarise(list(refinement.refine_pairs(bench.model, pairs)))


def measure_chains(bench: Bench, scale: Scale) -> Rows:
    """Sessions of edits, each made from those before it."""
    recorded = chains.read_chains(asset(WORLD.chains_heldout))[: scale.chains]
    shortened = [
        replace(each, kinds=each.kinds[: scale.edits + 1], prompts=each.prompts[: scale.edits + 1]) for each in recorded
    ]
    measured = chains.measure_chains(bench.model, shortened, budgets=(5,), steps=scale.steps)
    return chains.summarise_chains(list(measured))


def measure_alone(bench: Bench, scale: Scale) -> Rows:
    """Runs without a source on the model's own grid, or a shorter one, for which no solver's steps were searched."""
    own = bench.model.defaults.steps
    steps, known = scale.steps or own, find_profile(bench.model.identity())
    searched = bench.steps if steps == own else {}
    learned = policies.Learned(_learned_from(scale.learning), known, searched)
    return _alone(bench, _targets(scale.prompts), steps, scale.alone_budgets, learned)


def measure_grid(bench: Bench, scale: Scale, folder: Path) -> Rows:
    """The same on a finer grid, for which a profile and the solvers' steps are learned first and kept in `folder`."""
    profile, searched = _prepare_grid(bench, scale, folder)
    learned = policies.Learned(_learned_from(scale.learning), profile, searched)
    return _alone(bench, _targets(scale.grid_prompts), scale.grid_steps, scale.grid_budgets, learned)


def measure_block_caches(scale: Scale, *, is_small: bool) -> Rows:
    """Caches of diffusers and of trajflow on a FLUX-shaped network of random weights."""
    if is_small:
        return block_caches.compare_caches(QUICK_CACHES, steps=6, budget=2, repeats=scale.cache_runs)
    return block_caches.compare_caches(block_caches.Size(), repeats=scale.cache_runs)


def _alone(bench: Bench, asked: Sequence[Asked], steps: int, budgets: Sequence[int], learned: policies.Learned) -> Rows:
    measured = policies.measure(bench.model, asked, steps, budgets, learned, load_judge(), tqdm.write)
    return verdicts.summarise(list(measured), steps)


def _prepare_grid(bench: Bench, scale: Scale, folder: Path) -> tuple[Profile, Steps]:
    steps, budgets = scale.grid_steps, scale.grid_budgets
    path, rivals = folder / f"profile{steps}.json", folder / f"rivals{steps}.json"
    digest = model_digest(bench.model.identity())
    held = read_profile(path, digest) if path.exists() else Profile(digest, steps)
    missing = [budget for budget in budgets if budget not in held.without_sources]
    learning, forecasting = (
        read_pairs(asset(name))[: scale.learning] for name in (WORLD.calibration_session, WORLD.requests_calibration)
    )
    if missing:
        found = calibrate_alone(bench.model, learning, forecasting, missing, steps=steps, strategies=GRID_STRATEGIES)
        for budget, caching, tried in found:
            seconds = {**held.made.get("seconds", {}), str(budget): dict(tried.seconds)}
            alone = {**held.without_sources, budget: caching}
            held = replace(held, without_sources=alone, made={**held.made, "seconds": seconds})
            write_profile(path, held)
    if not rivals.exists():
        pairs = _spread(read_pairs(asset(WORLD.calibration)), min(GRID_SEARCHED, scale.learning))
        found_steps = search_steps(
            bench.model, pairs, counts=budgets, steps=steps, iterations=0, rounds=0, known=bench.steps,
            known_steps=bench.model.defaults.steps,
        )  # fmt: skip
        about = {"command": "python -m benchmarks evidence --only grid", "model": "tiny", "steps": steps}
        write_steps(rivals, list(found_steps), about)
    return held, read_steps(rivals)


def _targets(count: int) -> list[Asked]:
    return _spread(list(dict.fromkeys((pair.target, pair.seed) for pair in read_pairs(asset(PAIRS_FILE)))), count)


def _learned_from(count: int) -> list[Asked]:
    pairs: Sequence[Pair] = read_pairs(asset(WORLD.calibration_session))
    return list(dict.fromkeys((pair.target, pair.seed) for pair in pairs))[:count]


def _spread(all_of_them: Sequence[Any], count: int) -> list[Any]:
    return list(all_of_them[:: max(1, len(all_of_them) // count)][:count])
