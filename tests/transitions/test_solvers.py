"""The multistep solvers against diffusers' schedulers, and their order against the exact flow."""

import math
from dataclasses import replace

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, UniPCMultistepScheduler

from trajflow.base import SamplingPlan, Schedule
from trajflow.methods import METHODS
from trajflow.metrics import psnr_db
from trajflow.transitions.unipc import correction

SOLVERS = ("ab2", "dpm++2m", "unipc")
PROMPT = "snowy mountain dusk"
SIGMAS = {
    "even": (0.98, 0.8, 0.6, 0.4, 0.2),
    "uneven": (0.999, 0.97, 0.9, 0.62, 0.55, 0.2, 0.04),
    "two": (0.9, 0.5),
    "one": (0.9,),
}


def plan_on(solver: str, sigmas: torch.Tensor) -> SamplingPlan:
    return SamplingPlan.computing_all(solver, Schedule(sigmas, sigmas[:-1] * 1000))


def grid(count: int, first: float = 1.0) -> torch.Tensor:
    return torch.linspace(first, 0, count + 1, dtype=torch.float64).float()


def library_path(scheduler, sigmas: torch.Tensor, field) -> list[torch.Tensor]:
    """The library's own steps on our sigmas; its set_timesteps would choose others."""
    scheduler.sigmas = sigmas
    scheduler.timesteps = sigmas[:-1] * 1000
    scheduler.num_inference_steps = len(sigmas) - 1
    x, path = field.noise, []
    for k in range(len(sigmas) - 1):
        velocity = field.evaluate(x, k)
        x = scheduler.step(velocity, scheduler.timesteps[k], x, return_dict=False)[0]
        path.append(x)
    return path


@pytest.mark.parametrize("name", SIGMAS)
@pytest.mark.parametrize(
    ("solver", "scheduler", "options"),
    [
        ("dpm++2m", DPMSolverMultistepScheduler, {"algorithm_type": "dpmsolver++", "solver_type": "midpoint"}),
        ("unipc", UniPCMultistepScheduler, {"solver_type": "bh2", "predict_x0": True}),
    ],
    ids=["dpm++2m", "unipc"],
)
def test_steps_are_those_of_the_library_on_the_same_sigmas(
    mixture, run_plan, solver: str, scheduler, options: dict, name: str
) -> None:
    from trajflow.field import Field

    sigmas = torch.tensor((*SIGMAS[name], 0.0))
    run = run_plan(mixture, plan_on(solver, sigmas), PROMPT)
    theirs = scheduler(solver_order=2, prediction_type="flow_prediction", use_flow_sigmas=True, **options)
    noise = mixture.noise(0, (1, 3, 8, 8))
    plan = plan_on(solver, sigmas)
    field = Field(mixture, mixture.encode(PROMPT, "", 1.0), plan.schedule, noise, 2 * len(sigmas))
    path = library_path(theirs, sigmas, field)
    for step, expected in zip(run.steps, path, strict=True):
        assert torch.allclose(step.latents, expected, atol=2e-5, rtol=1e-4), step.k
    if len(sigmas) > 3:
        euler = run_plan(mixture, plan_on("fewer-steps", sigmas), PROMPT)
        assert (euler.latents - path[-1]).norm() > 20 * (run.latents - path[-1]).norm()


def errors(run_plan, model, solver: str, counts: tuple[int, ...]) -> list[float]:
    """Relative distance of the final latents to those of 2,048 steps of AB2, by number of steps."""
    exact = run_plan(model, plan_on("ab2", grid(2048)), PROMPT).latents
    return [
        ((run_plan(model, plan_on(solver, grid(count)), PROMPT).latents - exact).norm() / exact.norm()).item()
        for count in counts
    ]


def slope(counts: tuple[int, ...], values: list[float]) -> float:
    x = torch.tensor([math.log(count) for count in counts])
    y = torch.tensor([math.log(value) for value in values])
    return float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())


# The two in log-SNR fall back to first order at both ends of the path.
@pytest.mark.parametrize(("solver", "order"), [("ab2", 1.8), ("unipc", 1.6), ("dpm++2m", 1.4)])
def test_multistep_solvers_are_of_second_order_and_euler_of_first(mixture, run_plan, solver: str, order) -> None:
    counts = (16, 32, 64, 128)
    fitted = slope(counts, errors(run_plan, mixture, solver, counts))
    assert fitted < -order, fitted
    assert -1.3 < slope(counts, errors(run_plan, mixture, "fewer-steps", counts)) < -0.7


def test_the_adams_weights_are_exact_for_a_velocity_linear_in_sigma(mixture, run_plan) -> None:
    """v = a + b sigma is integrated exactly on any grid once two values are known."""
    from trajflow.base import Evaluation

    class Linear(type(mixture)):
        def evaluate(self, x, point, conditioning, keep=None):
            velocity = (2.0 + 3.0 * point.sigma) * torch.ones_like(x)
            return Evaluation(velocity, {"text": velocity}, rows=1)

    sigmas = torch.tensor([1.0, 0.9, 0.5, 0.45, 0.1, 0.0])
    run = run_plan(Linear(), plan_on("ab2", sigmas), PROMPT)
    first = run.steps[0].latents

    def integral(a: float, b: float) -> float:
        return 2.0 * (b - a) + 1.5 * (b * b - a * a)

    assert torch.allclose(run.latents, first + integral(0.9, 0.0), atol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("first", [1.0, 0.97])
def test_every_step_costs_one_evaluation_and_is_finite(mixture, run_plan, solver: str, first: float) -> None:
    for count in (1, 2, 3, 7):
        run = run_plan(mixture, plan_on(solver, grid(count, first)), PROMPT)
        assert run.cost.nfe == count
        assert run.trajectory.kinds == ("computed",) * count
        assert torch.isfinite(run.latents).all()


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_first_step_from_pure_noise_is_eulers(mixture, run_plan, solver: str) -> None:
    run = run_plan(mixture, plan_on(solver, grid(5)), PROMPT)
    euler = run_plan(mixture, plan_on("fewer-steps", grid(5)), PROMPT)
    assert torch.equal(run.steps[0].latents, euler.steps[0].latents)
    assert not torch.allclose(run.latents, euler.latents)


def test_the_correction_nears_its_limit_as_the_first_sigma_nears_one() -> None:
    limit, near = correction([1.0, 0.8, 0.5]), correction([1 - 1e-12, 0.8, 0.5])
    assert limit[0] == 0.0
    assert near == pytest.approx(limit, abs=0.05)


@pytest.mark.parametrize("solver", SOLVERS)
def test_two_runs_at_once_do_not_disturb_each_other(mixture, run_plan, solver: str) -> None:
    from trajflow.field import Field
    from trajflow.sampler import sample

    plan = replace(plan_on(solver, grid(4)), budget=4)
    alone = run_plan(mixture, plan, PROMPT).latents

    def stream(prompt: str, seed: int):
        noise = mixture.noise(seed, tuple(alone.shape))
        field = Field(mixture, mixture.encode(prompt, "", 1.0), plan.schedule, noise, plan.budget)
        return sample(METHODS[solver].transition, (), plan, field, prompt)

    *_, (last, _) = zip(stream(PROMPT, 0), stream("red cabin", 1), strict=True)
    assert torch.equal(last.latents, alone)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_solver_is_a_strategy_on_a_shorter_grid(session, mixture, solver: str) -> None:
    assert METHODS[solver].family == "shorter"
    two, four = (session.generate(PROMPT, strategy=solver, budget=budget) for budget in (2, 4))
    assert (two.cost.nfe, four.cost.nfe) == (2, 4)
    baseline = session.generate(PROMPT, strategy="baseline").image
    assert psnr_db(four.image, baseline) > psnr_db(two.image, baseline) + 3
    assert psnr_db(session.generate(PROMPT, strategy=solver, budget=8).image, baseline) == 100
