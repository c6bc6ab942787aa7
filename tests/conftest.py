"""Shared builders: a small random SD3 pipeline unlike the bundled one, and a velocity field known in closed form."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
from PIL import Image
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

import trajflow
from tools.tiny.architecture import build_tokenizer
from trajflow.base import (
    Conditioning,
    Cost,
    Defaults,
    Evaluation,
    Forecaster,
    Level,
    Model,
    NodeSchedule,
    Point,
    Residual,
    SamplingPlan,
    Schedule,
    Step,
    Trajectory,
)
from trajflow.calibration import Placement, Profile
from trajflow.field import Field
from trajflow.flow import even_nodes
from trajflow.methods import METHODS
from trajflow.models.registry import wrap
from trajflow.sampler import collect, sample

CORPUS = ("a mountain landscape at dusk", "a snowy forest in the fog", "a red cabin by the sea, blurry")


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
        *, seed: int = 0, dtype: torch.dtype = torch.float32, heads: int = 2, **scheduler: Any
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
                pos_embed_max_size=12,
            )
            # The last layers start at zero or tiny; spread them, so that prompt and time matter to the velocity.
            for parameter in transformer.parameters():
                torch.nn.init.normal_(parameter, std=0.15)
            autoencoder = AutoencoderKL(
                down_block_types=("DownEncoderBlock2D",) * 3,
                up_block_types=("UpDecoderBlock2D",) * 3,
                block_out_channels=(8, 8, 16),
                layers_per_block=1,
                latent_channels=4,
                norm_num_groups=4,
                sample_size=32,
                scaling_factor=1.5,
                shift_factor=0.06,
                use_quant_conv=False,
                use_post_quant_conv=False,
            )
            encoders = (text_encoder(tokenizer, 32, 24), text_encoder(tokenizer, 24, 16))
        pipeline = StableDiffusion3Pipeline(
            transformer=transformer.eval(),
            scheduler=FlowMatchEulerDiscreteScheduler(**{"shift": 2.0, **scheduler}),
            vae=autoencoder.eval(),
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


class GaussianMixture:
    """A rectified flow whose velocity is exact: x = (1 - sigma) z + sigma e with z from a Gaussian mixture, e normal.

    Given the component m, z and e are linear in x, so with r the posterior of m

        v = E[e - z | x] = sum_m r_m ((sigma - (1 - sigma) s^2) (x - (1 - sigma) mu_m) / var - mu_m),
        var = (1 - sigma)^2 s^2 + sigma^2.

    Each word of a prompt moves each component's mean its own way, so related prompts have near mixtures, and prompts
    that share words combine: (snowy mountain) + (mountain dusk) - (mountain) = (snowy mountain dusk), exactly in the
    means, nearly in the paths. Words that move all components alike, those in capitals, only move the path along:
    x^B = x^A + (1 - sigma) shift, and the difference of the velocities is constant.
    """

    def __init__(self, components: int = 3, size: int = 8, spread: float = 0.6) -> None:
        self.name = f"mixture of {components}"
        self.defaults = Defaults(steps=8, guidance=1.0, height=size, width=size, size_multiple=4, largest_side=16)
        self.calls = 0
        self._components = components
        self._means: dict[tuple[str, tuple[int, ...]], Tensor] = {}
        self._spread = spread

    def identity(self) -> Mapping[str, Any]:
        return {"model": self.name, "spread": self._spread}

    def latent_shape(self, height: int, width: int) -> tuple[int, ...]:
        return (1, 3, height, width)

    def encode(self, prompt: str, negative_prompt: str, guidance: float) -> Conditioning:
        return Conditioning(prompt, negative_prompt, guidance, {"size": torch.tensor(self.defaults.height)})

    def noise(self, seed: int, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed))

    def schedule(self, steps: int, shape: tuple[int, ...]) -> Schedule:
        even = torch.linspace(1, 1 / steps, steps, dtype=torch.float64)
        sigmas = (3 * even / (1 + 2 * even)).float()
        return Schedule(torch.cat([sigmas, torch.zeros(1)]), sigmas * 1000)

    def evaluate(self, x: Tensor, point: Point, conditioning: Conditioning, keep: Level | None = None) -> Evaluation:
        self.calls += 1
        text = self.velocity(x, float(point.sigma), conditioning.prompt)
        branches = {"text": text}
        guided = text
        if conditioning.guidance > 1:
            branches["negative"] = self.velocity(x, float(point.sigma), conditioning.negative_prompt)
            guided = branches["negative"] + conditioning.guidance * (text - branches["negative"])
        return Evaluation(guided, branches, len(branches), {} if keep is None else {keep: guided - x})

    def reuse(self, x: Tensor, point: Point, conditioning: Conditioning, residual: Residual) -> Tensor:
        """All of the velocity but x itself counts as made by blocks."""
        return x + next(iter(residual.values()))

    def decode(self, x: Tensor) -> Image.Image:
        pixels = (x[0].permute(1, 2, 0).double() * 40 + 128).round().clamp(0, 255)
        return Image.fromarray(pixels.numpy().astype(np.uint8))

    def means(self, prompt: str, shape: tuple[int, ...]) -> Tensor:
        """[M, 1, C, H, W] float64."""
        if (prompt, shape) not in self._means:
            self._means[prompt, shape] = torch.stack([self._mean(prompt, m, shape) for m in range(self._components)])
        return self._means[prompt, shape]

    def velocity(self, x: Tensor, sigma: float, prompt: str) -> Tensor:
        position, means, s2 = x.double(), self.means(prompt, tuple(x.shape)), self._spread**2
        variance = (1 - sigma) ** 2 * s2 + sigma**2
        offsets = position - (1 - sigma) * means
        posterior = torch.softmax(-offsets.flatten(1).square().sum(dim=1) / (2 * variance), dim=0)
        each = (sigma - (1 - sigma) * s2) * offsets / variance - means
        return (posterior.view(-1, *[1] * x.ndim) * each).sum(dim=0).to(x.dtype)

    def _mean(self, prompt: str, m: int, shape: tuple[int, ...]) -> Tensor:
        names = [word if word.isupper() else f"{word} {m}" for word in prompt.split()]
        return 3.0 * direction(f"component {m}", shape) + sum(0.8 * direction(name, shape) for name in names)


def direction(name: str, shape: tuple[int, ...]) -> Tensor:
    """A unit vector that belongs to a name."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    vector = torch.randn(shape, generator=generator, dtype=torch.float64)
    return vector / vector.norm()


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


@pytest.fixture(scope="module")
def shared_mixture() -> GaussianMixture:
    """A mixture for all tests of a module."""
    return GaussianMixture()
