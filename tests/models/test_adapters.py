"""What every adapter promises, run over every one: the stock call bit for bit, exact resume, transport, identity."""

import copy
import json

import numpy as np
import pytest
import torch
from diffusers import FirstBlockCacheConfig, FlowMatchHeunDiscreteScheduler
from diffusers.hooks import apply_group_offloading
from torch import Tensor

import trajflow
from trajflow.base import Model
from trajflow.errors import ModelError
from trajflow.field import recompute_path

PROMPT, OTHER = "a snowy mountain at dusk", "a red cabin by the sea"


def stock(pipeline, seed: int = 3, **call) -> tuple[Tensor, np.ndarray]:
    """The last latents and the picture that the pipeline's own __call__ gives with a CPU generator."""
    latents = []

    def note(pipeline, k, timestep, tensors):
        latents.append(tensors["latents"])
        return tensors

    generator = torch.Generator("cpu").manual_seed(seed)
    [picture] = pipeline(generator=generator, callback_on_step_end=note, **call).images
    return latents[-1], np.asarray(picture)


def ours(model: Model, seed: int = 3, **request) -> tuple[Tensor, np.ndarray]:
    """The last latents and the picture of a from-scratch run."""
    *steps, result = trajflow.Session(model).stream(seed=seed, strategy="baseline", **request)
    assert result.cost.nfe == len(steps)
    return steps[-1].latents, np.asarray(result.image)


@pytest.mark.parametrize(
    ("dtype", "size"), [(torch.bfloat16, (32, 32)), (torch.float32, (24, 48))], ids=["bfloat16-square", "float32-wide"]
)
def test_the_baseline_is_the_stock_call_bit_for_bit(built, adapter, kind, asked, dtype, size) -> None:
    pipeline = built(kind, dtype)
    request = {"prompt": PROMPT, "steps": 3, "height": size[0], "width": size[1], **asked}
    expected_latents, expected_pixels = stock(pipeline, **kind.stock_call(request))
    model = adapter(kind, pipeline)
    latents, pixels = ours(model, **request)
    schedule = model.schedule(request["steps"], tuple(latents.shape))
    assert torch.equal(schedule.sigmas, pipeline.scheduler.sigmas)
    assert torch.equal(schedule.timesteps, pipeline.scheduler.timesteps)
    assert torch.equal(kind.tokens(latents), expected_latents)
    assert latents.dtype == expected_latents.dtype
    assert pixels.shape == (*size, 3)
    assert np.array_equal(pixels, expected_pixels)
    assert pixels.std() > 1


@pytest.mark.parametrize("name", ["FLUX.1 dev", "FLUX.2 dev", "FLUX.2 klein", "Qwen-Image", "Z-Image"])
def test_a_scheduler_with_sigmas_of_its_own_is_heard_where_the_stock_call_hears_it(build, adapter, cases, name) -> None:
    kind = cases[name]
    pipeline = build(kind)
    pipeline.scheduler.register_to_config(use_flow_sigmas=True)
    request = {"prompt": PROMPT, "steps": 3, "guidance": 3.0, "height": 32, "width": 32}
    expected, _ = stock(pipeline, **kind.stock_call(request))
    assert torch.equal(kind.tokens(ours(adapter(kind, pipeline), **request)[0]), expected)


def test_the_random_pipeline_hears_prompt_seed_steps_and_size(built, adapter, kind) -> None:
    """Else equality with stock would prove little."""
    model = adapter(kind, built(kind))
    given = {"prompt": PROMPT, "steps": 2, "guidance": 3.0, "seed": 3}
    same, _ = ours(model, **given)
    for change in ({"prompt": OTHER}, {"seed": 4}, {"steps": 3}):
        other, _ = ours(model, **{**given, **change})
        assert (other - same).norm() > 1e-3 * same.norm(), change
    assert torch.equal(ours(model, **given)[0], same)


@pytest.mark.parametrize("name", ["FLUX.1 dev", "FLUX.2 dev", "FLUX.2 klein base", "Qwen-Image", "Z-Image"])
def test_the_random_pipeline_hears_the_guidance(built, adapter, cases, name: str) -> None:
    model = adapter(cases[name], built(cases[name]))
    low, high = (ours(model, prompt=PROMPT, steps=2, guidance=guidance)[0] for guidance in (2.0, 4.0))
    assert (low - high).norm() > 1e-3 * low.norm()


@pytest.mark.parametrize("name", ["FLUX.1 true CFG", "Qwen-Image", "Z-Image"])
def test_the_random_pipeline_hears_the_negative_prompt(built, adapter, cases, name: str) -> None:
    model = adapter(cases[name], built(cases[name]))
    told = (
        ours(model, prompt=PROMPT, steps=2, guidance=3.0, negative_prompt=negative)[0] for negative in ("red", "fog")
    )
    first, second = told
    assert (first - second).norm() > 1e-3 * first.norm()


def test_an_evaluation_has_the_shape_of_x_and_keeps_its_branches(built, adapter, kind) -> None:
    model = adapter(kind, built(kind))
    shape = model.latent_shape(24, 48)
    x, point = model.noise(0, shape), model.schedule(4, shape).point(1)
    evaluation = model.evaluate(x, point, model.encode(PROMPT, "red" if kind.is_negated else "", 3.0))
    assert x.shape == shape == evaluation.velocity.shape
    assert evaluation.velocity.is_contiguous()
    assert evaluation.rows == len(evaluation.branches) == kind.rows
    assert all(branch.shape == shape for branch in evaluation.branches.values())
    if kind.rows == 2:
        assert not torch.equal(evaluation.branches["text"], evaluation.branches["negative"])
        assert not torch.equal(evaluation.velocity, evaluation.branches["text"])
    alone = model.evaluate(x, point, model.encode(PROMPT, "", 0.0))
    assert alone.rows == 1
    assert torch.equal(alone.velocity, alone.branches["text"])


@pytest.mark.parametrize("level", ["stack", "blocks", "velocity"])
def test_what_the_blocks_leave_can_be_kept_and_put_back(built, adapter, kind, level) -> None:
    """Put back at the very step it was kept at, it gives the same velocity; keeping changes no bit."""
    model = adapter(kind, built(kind))
    shape = model.latent_shape(24, 48)
    x, grid = model.noise(0, shape), model.schedule(4, shape)
    asked = model.encode(PROMPT, "", 3.0)
    plain = model.evaluate(x, grid.point(1), asked)
    if level not in model.levels:
        assert (model.family, level) == ("Z-Image", "stack")
        with pytest.raises(ModelError, match="nothing to keep at level stack"):
            model.evaluate(x, grid.point(1), asked, level)
        return
    kept = model.evaluate(x, grid.point(1), asked, level)
    assert torch.equal(kept.velocity, plain.velocity)
    assert kept.residual
    assert not plain.residual
    back = model.reuse(x, grid.point(1), asked, kept.residual)
    torch.testing.assert_close(back, plain.velocity, rtol=1e-3, atol=1e-4)
    later = model.reuse(x, grid.point(2), asked, kept.residual)
    if level == "velocity":
        assert torch.equal(later, plain.velocity)
        return
    assert (later - back).norm() > 1e-4 * back.norm(), "the rest of the network is fresh"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_resume_at_any_step_is_the_uninterrupted_run(built, adapter, run_plan, make_grid_plan, kind, dtype) -> None:
    model = adapter(kind, built(kind, dtype), height=24, width=48)
    asked = {"seed": 3, "guidance": 3.0}
    full = run_plan(model, make_grid_plan(model, 4), PROMPT, **asked)
    for start in range(4):
        resumed = run_plan(model, make_grid_plan(model, 4, start=start), PROMPT, (full.trajectory,), **asked)
        assert torch.equal(resumed.latents, full.latents)
        assert torch.equal(resumed.trajectory.velocities, full.trajectory.velocities)
        assert resumed.cost.nfe == 4 - start
    assert torch.equal(list(recompute_path(full.trajectory))[-1], full.latents)


@pytest.mark.parametrize("transition", ["basis", "shooting", "mpc"])
def test_the_same_prompt_gives_the_same_picture_with_few_evaluations(
    built, adapter, run_plan, make_grid_plan, kind, transition: str
) -> None:
    model = adapter(kind, built(kind), height=24, width=48)
    asked = {"seed": 3, "guidance": 3.0}
    full = run_plan(model, make_grid_plan(model, 5), PROMPT, **asked)
    other = run_plan(model, make_grid_plan(model, 5), OTHER, **asked)
    plan = make_grid_plan(model, 5, transition, nodes=(0, 2), slope=0.5, correction=0.5)
    run = run_plan(model, plan, PROMPT, (full.trajectory, other.trajectory), **asked)
    assert torch.equal(run.latents, full.latents)
    assert run.cost.nfe <= 2


def test_a_session_transports_within_its_budget_and_the_full_budget_is_the_baseline(built, adapter, kind) -> None:
    session = trajflow.Session(adapter(kind, built(kind)))
    given = {"seed": 3, "steps": 4, "guidance": 3.0}
    session.generate(OTHER, **given)
    few = session.generate(PROMPT, budget=2, compare=True, **given)
    assert few.cost.nfe == 2
    assert few.kinds.count("coasted") == 2
    assert few.metrics is not None
    again = trajflow.Session(adapter(kind, built(kind)))
    again.generate(OTHER, **given)
    full = again.generate(PROMPT, budget=4, strategy="basis", **given)
    assert np.array_equal(np.asarray(full.image), np.asarray(few.baseline))


def test_a_session_resumes_and_refines_to_the_from_scratch_picture(built, adapter, kind) -> None:
    model = adapter(kind, built(kind))
    given = {"seed": 3, "steps": 3, "guidance": 3.0}
    expected = ours(model, prompt=PROMPT, **given)[1]
    session = trajflow.Session(model)
    session.generate(OTHER, **given)
    resumed = session.generate(PROMPT, strategy="resume", budget=2, **given)
    assert resumed.kinds == ("cached", "computed", "computed")
    *_, refined = session.stream(PROMPT, refine=True, **given)
    assert refined.is_final
    assert np.array_equal(np.asarray(refined.image), expected)


def test_equal_pipelines_have_equal_identities_that_are_plain_json(build, built, adapter, kind) -> None:
    identity = adapter(kind, built(kind)).identity()
    assert adapter(kind, build(kind)).identity() == identity
    assert json.loads(json.dumps(identity)) == identity


def test_other_weights_dtype_schedule_or_text_length_are_another_model(build, built, adapter, kind) -> None:
    identities = [adapter(kind, built(kind)).identity(), adapter(kind, built(kind), max_sequence_length=9).identity()]
    for change in ({"seed": 1}, {"dtype": torch.bfloat16}, {"max_shift": 1.3}):
        identities.append(adapter(kind, build(kind, **change)).identity())
    pipeline = build(kind)
    model = adapter(kind, pipeline)
    before = copy.deepcopy(model.identity())
    with torch.no_grad():
        max(pipeline.transformer.parameters(), key=torch.Tensor.numel).view(-1)[-1] += 0.5
    assert model.identity() != before
    assert len({json.dumps(each, sort_keys=True) for each in [*identities, model.identity()]}) == 6


def test_a_saved_folder_gives_the_same_picture_and_has_the_same_identity(built, adapter, kind, tmp_path) -> None:
    pipeline = built(kind)
    pipeline.save_pretrained(tmp_path)
    given = adapter(kind, pipeline)
    small = {"max_sequence_length": kind.text_length, "height": 32, "width": 32}
    loaded = trajflow.load(tmp_path, device="cpu", settings={**small, **kind.settings})
    assert loaded.defaults == given.defaults
    assert loaded.identity() == given.identity()
    request = {"prompt": PROMPT, "steps": 1, "guidance": 3.0}
    # Weights read from a file may lie elsewhere in memory, and kernels round by that: a level of 255 at the most.
    difference = ours(loaded, **request)[1].astype(int) - ours(given, **request)[1].astype(int)
    assert np.abs(difference).max() <= 1


def test_a_setting_that_no_adapter_knows_is_refused(built, adapter, kind) -> None:
    with pytest.raises(ModelError, match=r"no setting 'step'.*steps"):
        adapter(kind, built(kind), step=3)


def test_a_transformer_that_caches_its_blocks_is_refused(build, adapter, cases) -> None:
    """Its velocities depend on what was asked before."""
    pipeline = build(cases["FLUX.1 dev"])
    pipeline.transformer.enable_cache(FirstBlockCacheConfig(threshold=0.1))
    with pytest.raises(ModelError, match="disable_cache"):
        adapter(cases["FLUX.1 dev"], pipeline)


def test_group_offloading_is_refused(build, adapter, cases) -> None:
    """Layers that are elsewhere cannot be told apart."""
    pipeline = build(cases["FLUX.1 dev"])
    model = adapter(cases["FLUX.1 dev"], pipeline)
    here = torch.device("cpu")
    apply_group_offloading(pipeline.transformer, onload_device=here, offload_device=here, offload_type="leaf_level")
    for use in (model.identity, lambda: adapter(cases["FLUX.1 dev"], pipeline)):
        with pytest.raises(ModelError, match=r"transformer is offloaded in groups.*enable_model_cpu_offload"):
            use()


def cache_blocks(pipeline) -> None:
    pipeline.transformer.enable_cache(FirstBlockCacheConfig(threshold=0.1))


def step_otherwise(pipeline) -> None:
    pipeline.scheduler = FlowMatchHeunDiscreteScheduler()


def step_at_random(pipeline) -> None:
    pipeline.scheduler.register_to_config(stochastic_sampling=True)


@pytest.mark.parametrize("change", [cache_blocks, step_otherwise, step_at_random])
def test_what_is_refused_at_loading_is_refused_later_too(build, adapter, cases, change) -> None:
    pipeline = build(cases["FLUX.1 dev"])
    session = trajflow.Session(adapter(cases["FLUX.1 dev"], pipeline))
    session.generate(PROMPT, steps=2)
    change(pipeline)
    with pytest.raises(ModelError, match="disable_cache" if change is cache_blocks else "pipeline's scheduler"):
        session.generate(PROMPT, steps=2)


@pytest.mark.parametrize(("name", "most"), [("FLUX.1 dev", 512), ("Qwen-Image", 1024)])
def test_a_text_longer_than_the_stock_call_takes_is_refused(built, adapter, cases, name, most) -> None:
    adapter(cases[name], built(cases[name]), max_sequence_length=most)
    with pytest.raises(ModelError, match=f"max_sequence_length is {most + 1}; .* at most {most} tokens"):
        adapter(cases[name], built(cases[name]), max_sequence_length=most + 1)


@pytest.mark.parametrize("name", ["FLUX.1 dev", "FLUX.2 dev", "FLUX.2 klein"])
def test_latents_are_decoded_where_the_decoder_is(build, adapter, cases, monkeypatch, name) -> None:
    pipeline = build(cases[name])
    model = adapter(cases[name], pipeline)
    x = model.noise(0, model.latent_shape(32, 32))
    decode, seen, asked = pipeline.vae.decode, [], []

    def there(part) -> torch.device:
        asked.append(part)
        return torch.device("meta")

    def noting(latents, **options):
        seen.append(latents.device.type)
        return decode(torch.zeros(latents.shape), **options)

    for module in ("adapter", "flux2"):
        monkeypatch.setattr(f"trajflow.models.{module}.get_module_execution_device", there, raising=False)
    monkeypatch.setattr(pipeline.vae, "decode", noting)
    model.decode(x)
    assert (seen, asked) == (["meta"], [pipeline.vae])


def test_a_pipeline_without_its_text_encoder_is_refused(build, adapter, cases) -> None:
    pipeline = build(cases["Z-Image"])
    pipeline.text_encoder = None
    with pytest.raises(ModelError, match="no text_encoder"):
        adapter(cases["Z-Image"], pipeline)
