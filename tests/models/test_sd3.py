"""The adapter against the stock pipeline it takes apart, bit for bit."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDPMPipeline, FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler, UNet2DModel

import trajflow
from trajflow.errors import ModelError, RequestError
from trajflow.models.registry import BUNDLED, SETTINGS_FILE, bundled_folder

PROMPT, NEGATIVE = "a snowy mountain at dusk", "blurry, red"


def stock(pipeline, seed: int = 3, output_type: str = "pil", **call):
    """The last latents and the picture that the pipeline's own __call__ gives with a CPU generator."""
    latents = []

    def note(pipeline, k, timestep, tensors):
        latents.append(tensors["latents"])
        return tensors

    generator = torch.Generator("cpu").manual_seed(seed)
    [picture] = pipeline(generator=generator, output_type=output_type, callback_on_step_end=note, **call).images
    return latents[-1], np.asarray(picture)


def test_output_type_latent_is_what_the_last_step_left(pipeline) -> None:
    call = {"prompt": PROMPT, "num_inference_steps": 1, "guidance_scale": 1.0, "max_sequence_length": 8}
    latents, returned = stock(pipeline, output_type="latent", **call)
    assert np.array_equal(latents[0].numpy(), returned)


def ours(model, seed: int = 3, **request):
    """The last latents and the picture of a from-scratch run."""
    *steps, result = trajflow.Session(model).stream(seed=seed, strategy="baseline", **request)
    assert result.cost.nfe == len(steps)
    return steps[-1].latents, np.asarray(result.image)


CALLS = {
    "guided": {"guidance": 4.5},
    "barely guided": {"guidance": 1.01},
    "no guidance": {"guidance": 1.0},
    "negative prompt": {"guidance": 3.0, "negative_prompt": NEGATIVE},
    "wide": {"guidance": 3.0, "height": 24, "width": 40},
    "one step": {"guidance": 3.0, "steps": 1},
}


@pytest.mark.parametrize(
    ("case", "dtype"), [*((case, torch.float32) for case in CALLS), ("guided", torch.bfloat16)], ids=str
)
def test_the_baseline_is_the_stock_call_bit_for_bit(
    make_pipeline, adapt, text_length, dtype: torch.dtype, case: str
) -> None:
    pipeline = make_pipeline(dtype=dtype)
    asked = {"steps": 3, "height": 32, "width": 32, "negative_prompt": "", **CALLS[case]}
    call = {
        "prompt": PROMPT,
        "negative_prompt": asked["negative_prompt"],
        "num_inference_steps": asked["steps"],
        "guidance_scale": asked["guidance"],
        "height": asked["height"],
        "width": asked["width"],
        "max_sequence_length": text_length,
    }
    expected_latents, expected_pixels = stock(pipeline, **call)
    latents, pixels = ours(adapt(pipeline), prompt=PROMPT, **asked)
    assert latents.dtype == dtype
    assert torch.equal(latents, expected_latents)
    assert pixels.shape == (asked["height"], asked["width"], 3)
    assert np.array_equal(pixels, expected_pixels)


def test_a_pipeline_given_to_load_keeps_the_stock_text_length(pipeline) -> None:
    call = {"prompt": PROMPT, "num_inference_steps": 2, "guidance_scale": 3.0, "height": 32, "width": 32}
    latents, pixels = ours(trajflow.load(pipeline), prompt=PROMPT, steps=2, guidance=3.0)
    expected_latents, expected_pixels = stock(pipeline, **call)
    assert torch.equal(latents, expected_latents)
    assert np.array_equal(pixels, expected_pixels)


def test_the_random_pipeline_hears_the_prompt_the_negative_the_guidance_and_the_seed(model) -> None:
    """Else equality with stock would prove little."""
    given = {"prompt": PROMPT, "steps": 2, "guidance": 3.0, "seed": 3}
    same, _ = ours(model, **given)
    changes = ({"prompt": "a red cabin"}, {"negative_prompt": NEGATIVE}, {"guidance": 4.0}, {"seed": 4}, {"steps": 3})
    for change in changes:
        other, _ = ours(model, **{**given, **change})
        assert (other - same).norm() > 1e-3 * same.norm(), change


@pytest.mark.parametrize("case", [{"guidance_scale": 3.0, "negative_prompt": NEGATIVE}, {"guidance_scale": 1.0}])
def test_the_bundled_model_is_the_stock_call_bit_for_bit(case: dict) -> None:
    model = trajflow.load(BUNDLED)
    length = json.loads((bundled_folder() / SETTINGS_FILE).read_text())["max_sequence_length"]
    from diffusers import StableDiffusion3Pipeline

    parts = {"text_encoder_3": None, "tokenizer_3": None, "image_encoder": None, "feature_extractor": None}
    pipeline = StableDiffusion3Pipeline.from_pretrained(bundled_folder(), dtype=torch.float32, **parts)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.to(model.device)
    height, width = model.defaults.height, model.defaults.width - model.defaults.size_multiple
    call = {"prompt": PROMPT, "num_inference_steps": 2, "height": height, "width": width, **case}
    call["max_sequence_length"] = length
    request = {"prompt": PROMPT, "steps": 2, "height": height, "width": width, "guidance": case["guidance_scale"]}
    latents, pixels = ours(model, negative_prompt=case.get("negative_prompt", ""), **request)
    expected_latents, expected_pixels = stock(pipeline, **call)
    assert torch.equal(latents, expected_latents)
    assert np.array_equal(pixels, expected_pixels)


def test_the_bundled_settings_are_the_defaults() -> None:
    model = trajflow.load()
    settings = json.loads((bundled_folder() / SETTINGS_FILE).read_text())
    assert (model.defaults.steps, model.defaults.guidance) == (settings["steps"], settings["guidance"])
    assert (model.defaults.height, model.defaults.width) == (128, 128)


DYNAMIC = {"use_dynamic_shifting": True, "base_image_seq_len": 16, "max_image_seq_len": 256, "base_shift": 0.3}


GRIDS = {
    "shift 2": {"shift": 2.0},
    "no shift": {"shift": 1.0},
    "dynamic": DYNAMIC,
    "terminal": {**DYNAMIC, "shift_terminal": 0.02},
    "karras": {"use_karras_sigmas": True},
    "exponential": {"use_exponential_sigmas": True},
    "beta": {"use_beta_sigmas": True},
}


@pytest.mark.parametrize("scheduler", GRIDS.values(), ids=list(GRIDS))
@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
def test_the_schedule_is_the_one_the_stock_call_uses(
    make_pipeline, adapt, text_length, scheduler: dict, size: tuple[int, int]
) -> None:
    pipeline = make_pipeline(**scheduler)
    model = adapt(pipeline)
    schedule = model.schedule(5, model.latent_shape(*size))
    call = {"prompt": PROMPT, "num_inference_steps": 5, "height": size[0], "width": size[1], "guidance_scale": 2.0}
    call["max_sequence_length"] = text_length
    latents, _ = stock(pipeline, **call)
    assert torch.equal(schedule.sigmas, pipeline.scheduler.sigmas)
    assert torch.equal(schedule.timesteps, pipeline.scheduler.timesteps)
    assert schedule.steps == 5
    assert schedule.sigmas[-1] == 0
    again, _ = ours(model, prompt=PROMPT, steps=5, height=size[0], width=size[1], guidance=2.0)
    assert torch.equal(again, latents)


def test_a_grid_that_the_scheduler_cannot_make_is_refused(make_pipeline) -> None:
    """Stock divides by zero, and draws a picture of NaN."""
    session = trajflow.Session(trajflow.load(make_pipeline(**GRIDS["terminal"])))
    with pytest.raises(RequestError, match="at least 2"):
        session.generate(PROMPT, steps=1)


def test_dynamic_shifting_depends_on_the_size(make_pipeline) -> None:
    model = trajflow.load(make_pipeline(**DYNAMIC))
    small, large = (model.schedule(5, model.latent_shape(side, side)).sigmas for side in (16, 48))
    assert not torch.equal(small, large)


def test_asking_for_a_schedule_leaves_the_users_pipeline_as_it_was(make_pipeline) -> None:
    pipeline = make_pipeline()
    pipeline.scheduler.set_timesteps(7)
    before = pipeline.scheduler.sigmas.clone()
    trajflow.load(pipeline).schedule(3, (1, 4, 8, 8))
    assert torch.equal(pipeline.scheduler.sigmas, before)


def test_the_evaluation_keeps_its_branches(model) -> None:
    shape = model.latent_shape(32, 32)
    x, point = model.noise(0, shape), model.schedule(4, shape).point(1)
    guided = model.evaluate(x, point, model.encode(PROMPT, NEGATIVE, 3.0))
    negative, text = guided.branches["negative"], guided.branches["text"]
    assert torch.equal(guided.velocity, negative + 3.0 * (text - negative))
    alone = model.evaluate(x, point, model.encode(PROMPT, "", 1.0)).velocity
    torch.testing.assert_close(text, alone, rtol=1e-3, atol=1e-4)


def test_a_saved_folder_gives_the_same_picture(pipeline, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path / "saved")
    given, loaded = trajflow.load(pipeline), trajflow.load(tmp_path / "saved", device="cpu")
    request = {"prompt": PROMPT, "steps": 2, "guidance": 3.0}
    assert np.array_equal(ours(loaded, **request)[1], ours(given, **request)[1])
    assert loaded.defaults == given.defaults


def test_a_saved_folder_has_the_identity_of_the_pipeline_it_was_saved_from(pipeline, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path)
    assert trajflow.load(tmp_path, device="cpu").identity() == trajflow.load(pipeline).identity()


def test_trajflow_json_in_the_folder_sets_the_defaults(pipeline, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path)
    (tmp_path / SETTINGS_FILE).write_text(json.dumps({"steps": 9, "guidance": 2.5, "max_sequence_length": 2}))
    loaded = trajflow.load(str(tmp_path), device="cpu")
    assert (loaded.defaults.steps, loaded.defaults.guidance) == (9, 2.5)
    tokens = loaded.encode(PROMPT, "", 1.0).tensors["states"].shape[1]
    assert tokens == pipeline.tokenizer.model_max_length + 2


def test_an_unsupported_pipeline_is_refused_by_name() -> None:
    unet = UNet2DModel(
        sample_size=8, block_out_channels=(32,), down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",)
    )
    other = DDPMPipeline(unet, FlowMatchEulerDiscreteScheduler())
    with pytest.raises(ModelError, match=r"DDPMPipeline is not supported.*StableDiffusion3Pipeline"):
        trajflow.load(other)


def test_a_folder_of_an_unsupported_pipeline_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "DDPMPipeline", "unet": [None, None]}))
    with pytest.raises(ModelError, match=r"DDPMPipeline.*StableDiffusion3Pipeline"):
        trajflow.load(tmp_path)


def test_a_missing_or_empty_folder_is_a_model_error(tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(ModelError, match="could not be loaded"):
            trajflow.load(folder)


@pytest.mark.parametrize("damage", ["cut short", "gone", "another shape"])
def test_a_damaged_folder_is_a_model_error(pipeline, tmp_path: Path, damage: str) -> None:
    pipeline.save_pretrained(tmp_path)
    weights = tmp_path / "transformer" / "diffusion_pytorch_model.safetensors"
    config = tmp_path / "transformer" / "config.json"
    if damage == "cut short":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif damage == "gone":
        weights.unlink()
    else:
        config.write_text(json.dumps({**json.loads(config.read_text()), "joint_attention_dim": 48}))
    with pytest.raises(ModelError, match="could not be loaded"):
        trajflow.load(tmp_path, device="cpu")


@pytest.mark.parametrize(
    "scheduler",
    [FlowMatchHeunDiscreteScheduler(), FlowMatchEulerDiscreteScheduler(stochastic_sampling=True)],
    ids=["Heun", "stochastic"],
)
def test_a_pipeline_whose_scheduler_is_not_plain_euler_is_refused(make_pipeline, scheduler) -> None:
    """Its stock pictures would differ from ours without a word."""
    pipeline = make_pipeline()
    pipeline.scheduler = scheduler
    with pytest.raises(ModelError, match="scheduler"):
        trajflow.load(pipeline)


def test_equal_pipelines_have_equal_identities_that_are_plain_json(make_pipeline, adapt, model) -> None:
    identity = adapt(make_pipeline()).identity()
    assert identity == model.identity()
    assert json.loads(json.dumps(identity)) == identity


@pytest.mark.parametrize("part", ["transformer", "text_encoder", "text_encoder_2"])
@pytest.mark.parametrize("index", [0, 1, -1])
def test_one_changed_weight_is_another_model(make_pipeline, adapt, model, part: str, index: int) -> None:
    pipeline = make_pipeline()
    largest = max(getattr(pipeline, part).parameters(), key=torch.Tensor.numel)
    with torch.no_grad():
        largest.view(-1)[index] += 0.5
    assert adapt(pipeline).identity() != model.identity()


def test_weights_changed_after_loading_are_another_model(make_pipeline) -> None:
    """As `pipe.load_lora_weights` or `fuse_lora` does to a pipeline that a session already uses."""
    pipeline = make_pipeline()
    model = trajflow.load(pipeline)
    before = copy.deepcopy(model.identity())
    with torch.no_grad():
        pipeline.transformer.proj_out.weight += 0.01
    assert model.identity() != before


def test_other_heads_over_the_same_weights_are_another_model(make_pipeline, adapt) -> None:
    few, many = make_pipeline(heads=2), make_pipeline(heads=4)
    many.transformer.load_state_dict(few.transformer.state_dict())
    shape = (1, 4, 8, 8)
    velocities = []
    for pipeline in (few, many):
        model = adapt(pipeline)
        point = model.schedule(4, shape).point(0)
        velocities.append(model.evaluate(model.noise(0, shape), point, model.encode(PROMPT, "", 1.0)).velocity)
    assert not torch.equal(*velocities)
    assert adapt(few).identity() != adapt(many).identity()


def test_dtype_scheduler_and_text_length_are_part_of_the_identity(make_pipeline, adapt, model, tmp_path: Path) -> None:
    others = [make_pipeline(dtype=torch.bfloat16), make_pipeline(shift=3.0), make_pipeline(seed=1)]
    identities = [adapt(pipeline).identity() for pipeline in others]
    make_pipeline().save_pretrained(tmp_path)
    (tmp_path / SETTINGS_FILE).write_text(json.dumps({"max_sequence_length": 2}))
    identities += [trajflow.load(tmp_path, device="cpu").identity(), model.identity()]
    assert len({json.dumps(identity, sort_keys=True) for identity in identities}) == 5
