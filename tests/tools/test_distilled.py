"""The second model, made in miniature by its command: what comes out, and what its lessons hold."""

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline

import trajflow
from tools.distilled import train
from tools.distilled.architecture import Shape, build_student
from tools.distilled.lessons import RUN_STEPS, Teacher, random_grid, read_lessons
from tools.distilled.velocity import is_for_muon, tokens
from tools.tiny.train import load_released
from trajflow.assets import asset
from trajflow.models.packing import unpack
from trajflow.session import Session

# Uncompiled, FLUX's norms of half-precision queries by single-precision weights are said to be slow.
pytestmark = pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")
PROMPT = "a snowy mountain at dusk"
STEPS = 3


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """One shard of 16 lessons and two steps of training."""
    torch.set_num_threads(1)
    work = tmp_path_factory.mktemp("distilled")
    small = ["--shards", "1", "--scenes", "1", "--steps", "2", "--batch", "4", "--blocks", "1", "1", "--eager"]
    train.main(["--work", str(work), "--release", str(work / "model"), *small])
    return work


@pytest.fixture(scope="module")
def teacher():
    return Teacher(load_released(asset("tiny")))


def test_stock_diffusers_and_trajflow_make_one_picture(work):
    stock = FluxPipeline.from_pretrained(work / "model", dtype=torch.float32)
    stock.set_progress_bar_config(disable=True)
    expected = stock(
        PROMPT,
        num_inference_steps=STEPS,
        guidance_scale=3.0,
        height=128,
        width=128,
        max_sequence_length=24,
        generator=torch.Generator().manual_seed(3),
    ).images[0]
    model = trajflow.load(work / "model")
    result = Session(model).generate(PROMPT, seed=3, steps=STEPS, strategy="baseline")
    assert np.array_equal(np.asarray(result.image), np.asarray(expected))
    assert (result.cost.nfe, result.cost.rows) == (STEPS, STEPS)


def test_its_grid_is_the_teachers(work):
    second = trajflow.load(work / "model")
    scheduler = second.pipeline.scheduler
    grid = second.grid(28, second.latent_shape(128, 128))
    scheduler.set_timesteps(sigmas=grid["sigmas"], mu=grid["mu"])
    even = np.linspace(1, 1 / 28, 28)
    np.testing.assert_allclose(scheduler.sigmas[:-1], 3 * even / (1 + 2 * even), rtol=1e-5)


def test_guidance_is_heard(work):
    model = trajflow.load(work / "model")
    made = [
        Session(model).generate(PROMPT, seed=3, steps=2, guidance=guidance, strategy="baseline").image
        for guidance in (1.5, 4.5)
    ]
    assert not np.array_equal(*map(np.asarray, made))


def test_lessons_hold_what_the_teacher_says(work, teacher):
    lessons = read_lessons(work / "lessons", 1)
    assert len(lessons["x"]) == 2 * RUN_STEPS
    # The first lesson is pure noise, told in the words of a whole scene.
    assert lessons["sigma"][0] == 1
    text = teacher.tokenizer.decode(lessons["ids"][0].long(), skip_special_tokens=True)
    found = teacher.branches(lessons["x"][:1].float(), lessons["sigma"][:1], teacher.read([text]))
    for name, branch in zip(("text", "negative"), found, strict=True):
        torch.testing.assert_close(lessons[name][:1].float(), branch, atol=0.05, rtol=0.05)


def test_grids_fall_from_noise_to_picture():
    rng = np.random.default_rng(0)
    for _ in range(20):
        grid = random_grid(RUN_STEPS, rng)
        assert len(grid) == RUN_STEPS + 1
        assert (grid[0], grid[-1]) == (1.0, 0.0)
        assert np.all(np.diff(grid) < 0)


def test_tokens_are_latents_in_another_order():
    x = torch.randn(3, 8, 16, 16)
    assert torch.equal(unpack(tokens(x)[1:2], 16, 16), x[1:2])


def test_muon_takes_the_matrices_of_blocks(teacher):
    student = build_student(Shape(1, 1, 2, 1), teacher.tokenizer)
    taken = {name for name, parameter in student.named_parameters() if parameter.ndim == 2 and is_for_muon(name)}
    assert "transformer.transformer_blocks.0.attn.to_q.weight" in taken
    assert "reader.encoder.block.0.layer.0.SelfAttention.q.weight" in taken
    assert not any("embed" in name or "norm" in name or "shared" in name for name in taken)
