"""Resuming a run of the same prompt: ours and the stock pipeline done right are exact, the naive ways are not."""

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, StableDiffusion3Pipeline
from diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3 import retrieve_timesteps

from trajflow.field import latents_at

PROMPT, SEED, STEPS, GUIDANCE, TEXT_LENGTH = "a snowy mountain at dusk", 3, 6, 3.0, 8


@pytest.fixture(scope="module")
def full(model, run_plan, make_grid_plan):
    """The uninterrupted run."""
    return run_plan(model, make_grid_plan(model, STEPS), PROMPT, seed=SEED, guidance=GUIDANCE)


@pytest.mark.parametrize("transition", ["resume", "blend"])
@pytest.mark.parametrize("start", range(STEPS))
def test_resume_at_any_step_is_the_uninterrupted_run(
    model, full, run_plan, make_grid_plan, transition: str, start: int
) -> None:
    plan = make_grid_plan(model, STEPS, transition, start=start)
    resumed = run_plan(model, plan, PROMPT, (full.trajectory,), seed=SEED, guidance=GUIDANCE)
    assert torch.equal(resumed.latents, full.latents)
    assert torch.equal(resumed.trajectory.velocities, full.trajectory.velocities)
    assert resumed.trajectory.kinds == ("cached",) * start + ("computed",) * (STEPS - start)
    assert resumed.cost.nfe == STEPS - start


@pytest.mark.parametrize("start", [1, 4])
def test_resume_is_exact_in_bfloat16(make_pipeline, adapt, run_plan, make_grid_plan, start: int) -> None:
    model = adapt(make_pipeline(dtype=torch.bfloat16))
    full = run_plan(model, make_grid_plan(model, STEPS), PROMPT, seed=SEED, guidance=GUIDANCE)
    plan = make_grid_plan(model, STEPS, start=start)
    resumed = run_plan(model, plan, PROMPT, (full.trajectory,), seed=SEED, guidance=GUIDANCE)
    assert torch.equal(resumed.latents, full.latents)


def stock_call(pipeline: StableDiffusion3Pipeline, **call) -> torch.Tensor:
    given = {"prompt": PROMPT, "guidance_scale": GUIDANCE, "height": 32, "width": 32, "output_type": "latent"}
    return pipeline(**given, max_sequence_length=TEXT_LENGTH, **call).images


def with_scheduler(
    pipeline: StableDiffusion3Pipeline, scheduler: FlowMatchEulerDiscreteScheduler
) -> StableDiffusion3Pipeline:
    copy = StableDiffusion3Pipeline(**{**pipeline.components, "scheduler": scheduler})
    copy.set_progress_bar_config(disable=True)
    return copy


def resume_right(pipeline: StableDiffusion3Pipeline, full, k: int) -> torch.Tensor:
    """The cached latents, and the slice of the sigmas given to a scheduler that does not shift it again."""
    unshifted = FlowMatchEulerDiscreteScheduler.from_config(
        pipeline.scheduler.config, shift=1.0, use_dynamic_shifting=False
    )
    rest = full.trajectory.schedule.sigmas[k:-1].tolist()
    latents = latents_at(full.trajectory, k)
    return stock_call(with_scheduler(pipeline, unshifted), latents=latents, sigmas=rest, num_inference_steps=len(rest))


def resume_from_latents(pipeline: StableDiffusion3Pipeline, full, k: int) -> torch.Tensor:
    """Only the latents: the schedule begins again at pure noise, with as many steps as are left."""
    return stock_call(pipeline, latents=latents_at(full.trajectory, k), num_inference_steps=STEPS - k)


def resume_with_generator(pipeline: StableDiffusion3Pipeline, full, k: int) -> torch.Tensor:
    """The latents and a generator in the state it had: nothing draws from it after the noise."""
    generator = torch.Generator("cpu").manual_seed(SEED)
    torch.randn(full.latents.shape, generator=generator)
    latents = latents_at(full.trajectory, k)
    return stock_call(pipeline, latents=latents, generator=generator, num_inference_steps=STEPS - k)


def resume_with_partial_scheduler(pipeline: StableDiffusion3Pipeline, full, k: int) -> torch.Tensor:
    """The right slice of the sigmas, given to the scheduler that made it: it is shifted twice."""
    rest = full.trajectory.schedule.sigmas[k:-1].tolist()
    latents = latents_at(full.trajectory, k)
    return stock_call(pipeline, latents=latents, sigmas=rest, num_inference_steps=len(rest))


NAIVE = {
    "latent only": resume_from_latents,
    "+ generator": resume_with_generator,
    "+ partial scheduler": resume_with_partial_scheduler,
}


def pixel_db(pipeline: StableDiffusion3Pipeline, a: torch.Tensor, b: torch.Tensor) -> float:
    """PSNR of the decoded pictures in dB, range 1, not rounded to uint8."""
    decoded = []
    for latents in (a, b):
        scaled = latents / pipeline.vae.config.scaling_factor + pipeline.vae.config.shift_factor
        with torch.no_grad():
            decoded.append((pipeline.vae.decode(scaled).sample / 2 + 0.5).clamp(0, 1))
    error = (decoded[0] - decoded[1]).double().square().mean().item()
    return float("inf") if error == 0 else -10 * np.log10(error)


def test_the_full_run_is_the_stock_call(pipeline, full) -> None:
    generator = torch.Generator("cpu").manual_seed(SEED)
    assert torch.equal(full.latents, stock_call(pipeline, generator=generator, num_inference_steps=STEPS))


@pytest.mark.parametrize("k", range(STEPS))
def test_the_stock_pipeline_resumes_bit_for_bit_when_the_sigmas_are_not_shifted_again(pipeline, full, k: int) -> None:
    assert torch.equal(resume_right(pipeline, full, k), full.latents)


def test_the_stock_pipeline_with_dynamic_shifting_resumes_bit_for_bit(
    make_pipeline, adapt, run_plan, make_grid_plan
) -> None:
    pipeline = make_pipeline(use_dynamic_shifting=True, base_image_seq_len=16, max_image_seq_len=256)
    model = adapt(pipeline)
    full = run_plan(model, make_grid_plan(model, STEPS), PROMPT, seed=SEED, guidance=GUIDANCE)
    assert torch.equal(resume_right(pipeline, full, 4), full.latents)


def test_the_naive_resumes_differ_from_the_full_run(pipeline, full, capsys: pytest.CaptureFixture) -> None:
    points = (1, 3, 5)
    table = {name: [way(pipeline, full, k) for k in points] for name, way in NAIVE.items()}
    table["sigmas not shifted again"] = [resume_right(pipeline, full, k) for k in points]
    rows = {name: [pixel_db(pipeline, latents, full.latents) for latents in row] for name, row in table.items()}
    with capsys.disabled():
        print(f"\n{f'PSNR in dB to the full run of {STEPS} steps':<42}" + "".join(f"{f'step {k}':>9}" for k in points))
        for name, row in rows.items():
            print(f"{name:<42}" + "".join(f"{value:9.1f}" for value in row))
    for name in NAIVE:
        assert not any(torch.equal(latents, full.latents) for latents in table[name]), name
        assert max(rows[name]) < 60, name
    assert all(torch.equal(a, b) for a, b in zip(table["latent only"], table["+ generator"], strict=True)), (
        "the generator's state decides nothing after the noise"
    )
    assert rows["sigmas not shifted again"] == [float("inf")] * len(points)


def test_the_partial_scheduler_fails_because_it_shifts_twice(pipeline, full) -> None:
    rest = full.trajectory.schedule.sigmas[3:-1]
    scheduler = FlowMatchEulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    retrieve_timesteps(scheduler, sigmas=rest.tolist(), device="cpu")
    shift = pipeline.scheduler.config.shift
    torch.testing.assert_close(scheduler.sigmas[:-1], shift * rest / (1 + (shift - 1) * rest))
    assert not torch.allclose(scheduler.sigmas[:-1], rest)
