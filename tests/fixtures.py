"""Shared builders: a small random SD3 pipeline unlike the bundled one, and `trajflow.testing`'s mixture."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

import trajflow
from tests.parts import autoencoder, spread
from tools.tiny.architecture import build_tokenizer
from trajflow.base import (
    Cost,
    Forecast,
    Forecaster,
    Model,
    NodeSchedule,
    SamplingPlan,
    Step,
    Trajectory,
)
from trajflow.cache import similarity
from trajflow.cache.similarity import has_encoder, is_searchable
from trajflow.calibration import Caching, Placement, Profile, model_digest
from trajflow.field import Field, even_nodes
from trajflow.methods import METHODS
from trajflow.models.registry import bundled_folder, wrap
from trajflow.policies.budcache import BudCache
from trajflow.sampler import collect, sample
from trajflow.testing import GaussianMixture

CORPUS = ("a mountain landscape at dusk", "a snowy forest in the fog", "a red cabin by the sea, blurry")

# A text has one vector: a session of every test need not compute it again.
similarity._encode = cache(similarity._encode)


def text_encoder(tokenizer: CLIPTokenizer, width: int, projection: int) -> CLIPTextModelWithProjection:
    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=2 * width,
            projection_dim=projection,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=tokenizer.model_max_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


@pytest.fixture(scope="session")
def tokenizer() -> CLIPTokenizer:
    return build_tokenizer(CORPUS * 20)


@pytest.fixture(scope="session")
def make_pipeline(tokenizer: CLIPTokenizer) -> Callable[..., StableDiffusion3Pipeline]:
    """Pipelines of random weights: 4 latent channels, patches of 1, two encoders of unequal width, 32 x 32 pictures.

    Equal arguments give equal weights.
    """

    def make(
        *, seed: int = 0, dtype: torch.dtype = torch.float32, heads: int = 2, positions: int = 12, **scheduler: Any
    ) -> StableDiffusion3Pipeline:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            transformer = SD3Transformer2DModel(
                sample_size=8,
                patch_size=1,
                in_channels=4,
                out_channels=4,
                num_layers=2,
                attention_head_dim=32 // heads,
                num_attention_heads=heads,
                joint_attention_dim=64,
                caption_projection_dim=32,
                pooled_projection_dim=40,
                pos_embed_max_size=positions,
            )
            spread(transformer)
            vae = autoencoder()
            encoders = (text_encoder(tokenizer, 32, 24), text_encoder(tokenizer, 24, 16))
        pipeline = StableDiffusion3Pipeline(
            transformer=transformer,
            scheduler=FlowMatchEulerDiscreteScheduler(**{"shift": 2.0, **scheduler}),
            vae=vae,
            text_encoder=encoders[0].eval(),
            tokenizer=tokenizer,
            text_encoder_2=encoders[1].eval(),
            tokenizer_2=tokenizer,
            text_encoder_3=None,
            tokenizer_3=None,
            image_encoder=None,
            feature_extractor=None,
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline if dtype == torch.float32 else pipeline.to(dtype)

    return make


@pytest.fixture(scope="session")
def pipeline(make_pipeline: Callable[..., StableDiffusion3Pipeline]) -> StableDiffusion3Pipeline:
    return make_pipeline()


@pytest.fixture(scope="session")
def text_length() -> int:
    """The length of the T5 part in these tests: the usual 256 zero tokens would be most of the work."""
    return 8


@pytest.fixture(scope="session")
def adapt(text_length: int) -> Callable[[StableDiffusion3Pipeline], Model]:
    """A pipeline as a model of that text length, as a folder whose trajflow.json says so is loaded."""
    return lambda pipeline: wrap(pipeline, "random", {"max_sequence_length": text_length})


@pytest.fixture(scope="session")
def model(pipeline: StableDiffusion3Pipeline, adapt: Callable[[StableDiffusion3Pipeline], Model]) -> Model:
    """The random pipeline as a model."""
    return adapt(pipeline)


@pytest.fixture(scope="session")
def small_folder(
    make_pipeline: Callable[..., StableDiffusion3Pipeline], text_length: int, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A random pipeline of up to 128 pixels with the bundled model's settings and words: pictures do not matter."""
    folder = tmp_path_factory.mktemp("small")
    make_pipeline(positions=32).save_pretrained(folder)
    settings = {"max_sequence_length": text_length, "steps": 28, "guidance": 3.0}
    (folder / "trajflow.json").write_text(json.dumps(settings))
    shutil.copy(bundled_folder() / "vocabulary.json", folder)
    return folder


@pytest.fixture
def mixture() -> GaussianMixture:
    return GaussianMixture()


@pytest.fixture
def make_mixture() -> Callable[..., GaussianMixture]:
    return GaussianMixture


@dataclass(frozen=True)
class Run:
    """One sampled run, without a session around it."""

    steps: tuple[Step, ...]
    trajectory: Trajectory
    cost: Cost

    @property
    def latents(self) -> Tensor:
        return self.steps[-1].latents


@pytest.fixture(scope="session")
def run_plan() -> Callable[..., Run]:
    """Sample a plan on a model; guidance and seed as given."""

    def run(
        model: Model,
        plan: SamplingPlan,
        prompt: str,
        sources: tuple[Trajectory, ...] = (),
        *,
        seed: int = 0,
        guidance=1.0,
    ) -> Run:
        shape = model.latent_shape(model.defaults.height, model.defaults.width)
        conditioning = model.encode(prompt, "", guidance)
        field = Field(model, conditioning, plan.schedule, model.noise(seed, shape), plan.budget)
        steps, trajectory = collect(sample(METHODS[plan.method].transition, sources, plan, field, prompt))
        return Run(tuple(steps), trajectory, field.cost)

    return run


@pytest.fixture(scope="session")
def make_grid_plan() -> Callable[..., SamplingPlan]:
    """Plans on a model's own grid, made without the planner: given nodes, or a switch from a start step."""

    def make(
        model: Model,
        steps: int,
        method: str = "resume",
        *,
        nodes: tuple[int, ...] | None = None,
        start: int = 0,
        similarity: float = 0.8,
        slope: float = 0.0,
        correction: float = 0.0,
    ) -> SamplingPlan:
        shape = model.latent_shape(model.defaults.height, model.defaults.width)
        nodes = tuple(range(start, steps)) if nodes is None else nodes
        grid = model.schedule(steps, shape)
        slopes, corrections = (slope,) * len(nodes), (correction,) * len(nodes)
        node_schedule = NodeSchedule(nodes, slopes, corrections)
        return SamplingPlan(method, grid, node_schedule, len(nodes), start, similarity)

    return make


@pytest.fixture
def unasked():
    """Whether prompts can be compared is asked once a process: here anew, and afterwards too."""
    for asked in (is_searchable, has_encoder):
        asked.cache_clear()
    yield
    for asked in (is_searchable, has_encoder):
        asked.cache_clear()


@pytest.fixture
def session(mixture: GaussianMixture) -> trajflow.Session:
    """A session on the mixture, 8 steps by default."""
    return trajflow.Session(mixture)


def make_forecaster(median_db: float, slopes: tuple[float, ...], spread_db: float = 6.0) -> Forecaster:
    """Forecasts around a line: `median_db` and `slopes` for the features after the constant one."""
    return Forecaster(*((median_db + part * spread_db, *slopes) for part in (-1, -0.5, 0, 1)))


@pytest.fixture(scope="session")
def make_profile() -> Callable[..., Profile]:
    """Hand-made profiles: for each count the PSNR expected at an innovation of 1, and 20 dB more for each tenth of it.

    At the first node the same of what is unexplained; before any, 5 dB more for each tenth of 1 - similarity.
    """

    def make(steps: int, expected_db: Mapping[int, float], model: str = "") -> Profile:
        placements = {}
        for count, median_db in expected_db.items():
            first, later = make_forecaster(median_db, (-20.0,)), make_forecaster(median_db, (0.0, -20.0, 0.0))
            node_schedule = NodeSchedule(
                even_nodes(steps, count), (0.0,) * count, (0.8,) * count, (first, *(later,) * (count - 1))
            )
            placements[count] = Placement(node_schedule, make_forecaster(median_db, (-5.0, 0.0)))
        return Profile(model, steps, placements, placements, made={"by": "hand"})

    return make


@pytest.fixture
def preferring_none(mixture: GaussianMixture, make_profile: Callable[..., Profile]) -> Profile:
    """A profile of the mixture by which at 3 of 8 evaluations a run without a source is better than one with any."""
    alone = {3: Caching({"solver": BudCache((0, 3, 6), "stack")}, {"solver": Forecast(50.0, 52.0, 54.0, 58.0)})}
    return replace(make_profile(8, {3: 30.0}, model_digest(mixture.identity())), without_sources=alone)


@pytest.fixture(scope="module")
def shared_mixture() -> GaussianMixture:
    """A mixture for all tests of a module."""
    return GaussianMixture()
