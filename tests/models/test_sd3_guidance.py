"""Skip-layer guidance and T5, which only some Stable Diffusion 3 runs have, against the stock call."""

import numpy as np
import pytest
import torch
from diffusers import StableDiffusion3Pipeline
from transformers import T5Config, T5EncoderModel

import trajflow
from trajflow.errors import ModelError
from trajflow.field import latents_at
from trajflow.models.registry import wrap

PROMPT, STEPS, LENGTH = "a snowy mountain at dusk", 6, 8
SKIPPING = {
    "skip_guidance_layers": [1],
    "skip_layer_guidance_scale": 2.0,
    "skip_layer_guidance_start": 0.1,
    "skip_layer_guidance_stop": 0.6,
}


def stock(pipeline, **call) -> torch.Tensor:
    given = {"guidance_scale": 3.0, "num_inference_steps": STEPS, "height": 24, "width": 40, "output_type": "latent"}
    generator = torch.Generator("cpu").manual_seed(3)
    return pipeline(PROMPT, generator=generator, max_sequence_length=LENGTH, **{**given, **call}).images


def ours(model, **request) -> tuple[torch.Tensor, trajflow.Result]:
    given = {"seed": 3, "guidance": 3.0, "steps": STEPS, "height": 24, "width": 40, "strategy": "baseline"}
    *steps, result = trajflow.Session(model).stream(PROMPT, **{**given, **request})
    return steps[-1].latents, result


@pytest.fixture(scope="module")
def skipping(pipeline):
    return wrap(pipeline, "random", {"max_sequence_length": LENGTH, **SKIPPING})


@pytest.mark.parametrize("guidance", [3.0, 1.0])
def test_skip_layer_guidance_is_the_stock_call_bit_for_bit(pipeline, skipping, guidance: float) -> None:
    latents, result = ours(skipping, guidance=guidance)
    assert torch.equal(latents, stock(pipeline, guidance_scale=guidance, **SKIPPING))
    assert torch.equal(latents, stock(pipeline, guidance_scale=guidance)) == (guidance == 1.0)
    # Steps 1, 2 and 3 of 6 lie between 0.1 and 0.6 of the way.
    assert result.cost.rows == (2 * STEPS + 3 if guidance > 1 else STEPS)
    assert result.cost.nfe == STEPS


def test_the_stock_windows_apply_when_only_the_layers_are_named(pipeline) -> None:
    model = wrap(pipeline, "random", {"max_sequence_length": LENGTH, "skip_guidance_layers": [0]})
    latents, _ = ours(model, steps=8)
    assert torch.equal(latents, stock(pipeline, num_inference_steps=8, skip_guidance_layers=[0]))
    assert not torch.equal(latents, stock(pipeline, num_inference_steps=8))


def test_a_resumed_run_skips_at_the_true_steps(skipping, run_plan, make_grid_plan) -> None:
    """The stock pipeline cannot: given a slice of the sigmas it counts its window from the slice's beginning."""
    asked = {"seed": 3, "guidance": 3.0}
    full = run_plan(skipping, make_grid_plan(skipping, STEPS), PROMPT, **asked)
    for start in (1, 2, 4):
        resumed = run_plan(skipping, make_grid_plan(skipping, STEPS, start=start), PROMPT, (full.trajectory,), **asked)
        assert torch.equal(resumed.latents, full.latents)
    assert torch.equal(latents_at(full.trajectory, STEPS), full.latents)


def test_skipping_keeps_its_branch_and_is_another_model(pipeline, skipping, model) -> None:
    shape = skipping.latent_shape(32, 32)
    x, grid = skipping.noise(0, shape), skipping.schedule(STEPS, shape)
    asked = skipping.encode(PROMPT, "", 3.0)
    inside, outside = (skipping.evaluate(x, grid.point(k), asked) for k in (2, 5))
    branches = inside.branches
    guided = branches["negative"] + 3.0 * (branches["text"] - branches["negative"])
    assert torch.equal(inside.velocity, guided + (branches["text"] - branches["skipped"]) * 2.0)
    assert (inside.rows, outside.rows) == (3, 2)
    assert "skipped" not in outside.branches
    assert skipping.identity() != model.identity()
    other = wrap(pipeline, "random", {"max_sequence_length": LENGTH, **SKIPPING, "skip_layer_guidance_scale": 2.5})
    assert other.identity() != skipping.identity()


@pytest.fixture(scope="module")
def with_t5(make_pipeline, bytes_tokenizer) -> StableDiffusion3Pipeline:
    config = T5Config(vocab_size=len(bytes_tokenizer), d_model=64, d_kv=16, d_ff=32, num_layers=1, num_heads=2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        t5 = T5EncoderModel(config)
        for parameter in t5.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    parts = {**make_pipeline().components, "text_encoder_3": t5.eval(), "tokenizer_3": bytes_tokenizer}
    made = StableDiffusion3Pipeline(**parts)
    made.set_progress_bar_config(disable=True)
    return made


def test_with_t5_it_is_the_stock_call_and_without_it_another_model(with_t5, pipeline, tmp_path) -> None:
    settings = {"max_sequence_length": LENGTH}
    model = wrap(with_t5, "random", settings)
    heard = ours(model)[0]
    assert torch.equal(heard, stock(with_t5))
    with_t5.save_pretrained(tmp_path)
    whole = trajflow.load(tmp_path, device="cpu", settings=settings)
    without = trajflow.load(tmp_path, device="cpu", settings={**settings, "t5": False})
    assert torch.equal(ours(whole)[0], heard)
    assert whole.identity() == model.identity()
    deaf, result = ours(without)
    assert torch.equal(deaf, stock(pipeline))
    assert not torch.equal(deaf, heard)
    assert without.identity() != whole.identity()
    assert np.asarray(result.image).shape == (24, 40, 3)


def test_half_a_t5_reads_nothing_or_is_refused(with_t5, model) -> None:
    """A tokenizer without its encoder cuts words that nobody reads; an encoder without its tokenizer cannot read."""
    parts, settings, long = with_t5.components, {"max_sequence_length": 256}, "a red cabin by the sea " * 6
    unread = wrap(StableDiffusion3Pipeline(**{**parts, "text_encoder_3": None}), "random", settings).unread(long)
    assert unread == model.unread(long)
    assert unread
    assert not wrap(with_t5, "random", settings).unread(long)
    with pytest.raises(ModelError, match="has no tokenizer_3"):
        wrap(StableDiffusion3Pipeline(**{**parts, "tokenizer_3": None}), "random", settings)
