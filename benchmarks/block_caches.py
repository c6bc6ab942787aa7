"""Caches inside the network, diffusers' and ours, on a FLUX-shaped pipeline of random weights: time and agreement only.

FirstBlockCache skips all blocks but the first as long as its residual changes little (ParaAttention); TaylorSeer
extrapolates what attention, or in its lite form the last projection, returns (arXiv:2503.06923). Agreement is the PSNR
of final latents to the run that computes every step, the peak being the range of that run's latents. Random weights
draw no pictures, so nothing here tells of their quality.
"""

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from diffusers.hooks import FirstBlockCacheConfig, TaylorSeerCacheConfig
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, T5Config, T5EncoderModel

from trajflow.base import Model, SamplingPlan, StepPolicy
from trajflow.bench.markdown import table
from trajflow.field import Field, even_nodes
from trajflow.learning.known import run_known
from trajflow.learning.priors import estimate
from trajflow.models.registry import bundled_folder, wrap
from trajflow.policies.always import Always
from trajflow.policies.budcache import BudCache
from trajflow.policies.interval import Interval, interval_within
from trajflow.sampler import collect, sample
from trajflow.transitions.reuse import Reuse

LABEL = "random weights: time and agreement only, no picture quality"
COMPARED = (
    "full compute", "diffusers: FirstBlockCache", "diffusers: TaylorSeer", "diffusers: TaylorSeer, lite",
    "interval, stack", "interval, blocks", "even mask, stack", "even mask + history priors (solver)",
)  # fmt: skip
PROMPT = "a mountain lake"
WIDTH = 16
TEXT_LENGTH = 32
STD = 0.05
LEARNED_NOISES = 3
HALVINGS = 7


@dataclass(frozen=True)
class Size:
    """The network: double and single blocks, heads of 32, and the side of the picture in tokens."""

    doubles: int = 4
    singles: int = 8
    heads: int = 8
    side: int = 12


@dataclass(frozen=True)
class Cached:
    """One way to run: by a policy, or with a cache of diffusers' installed."""

    name: str
    policy: StepPolicy
    config: Any = None


def build_pipeline(size: Size) -> FluxPipeline:
    """A FLUX pipeline of random weights, the same ones at every call."""
    tokenizer = CLIPTokenizer.from_pretrained(bundled_folder() / "tokenizer")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        clip = CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=WIDTH,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=tokenizer.model_max_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        t5 = T5Config(vocab_size=len(tokenizer), d_model=WIDTH, d_kv=8, d_ff=WIDTH, num_layers=1, num_heads=2)
        transformer = FluxTransformer2DModel(
            in_channels=64,
            num_layers=size.doubles,
            num_single_layers=size.singles,
            attention_head_dim=32,
            num_attention_heads=size.heads,
            joint_attention_dim=WIDTH,
            pooled_projection_dim=WIDTH,
            guidance_embeds=True,
            axes_dims_rope=(8, 12, 12),
        )
        for parameter in transformer.parameters():
            nn.init.normal_(parameter, std=STD)
        autoencoder = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(8,) * 4,
            layers_per_block=1,
            latent_channels=16,
            norm_num_groups=4,
            use_quant_conv=False,
            use_post_quant_conv=False,
        )
        return FluxPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=autoencoder.eval(),
            text_encoder=CLIPTextModel(clip).eval(),
            tokenizer=tokenizer,
            text_encoder_2=T5EncoderModel(t5).eval(),
            tokenizer_2=tokenizer,
            transformer=transformer.eval(),
        )


def compare_caches(
    size: Size,
    *,
    steps: int = 28,
    budget: int = 10,
    repeats: int = 5,
    on_run: Callable[[], object] = lambda: None,
) -> list[dict[str, Any]]:
    """One row for each of `COMPARED`: seconds of a run and their ratio to full compute, medians over `repeats` noises
    taken in turn; steps computed; agreement. Thresholds and intervals are set so that about `budget` are computed."""
    pipeline = build_pipeline(size)
    side = 16 * size.side
    model = wrap(pipeline, "random", {"height": side, "width": side, "max_sequence_length": TEXT_LENGTH})
    ways = _ways(model, pipeline.transformer, steps, budget)
    _run(model, pipeline.transformer, ways[0], 0, steps)
    measured: dict[str, list[tuple[float, int, float]]] = {way.name: [] for way in ways}
    for seed in range(repeats):
        reference: Tensor | None = None
        for way in ways:
            latents, computed, seconds = _run(model, pipeline.transformer, way, seed, steps)
            reference = latents if reference is None else reference
            measured[way.name].append((seconds, computed, agreement_db(latents, reference)))
            on_run()
    full = statistics.median(seconds for seconds, *_ in measured[ways[0].name])
    rows = []
    for name, runs in measured.items():
        seconds, computed, agreement = (statistics.median(values) for values in zip(*runs, strict=True))
        rows.append(
            {
                "method": name,
                "steps": steps,
                "computed": computed,
                "seconds": round(seconds, 3),
                "ratio": round(seconds / full, 3),
                "agreement_db": round(agreement, 1),
                "runs": repeats,
                "label": LABEL,
            }
        )
    return rows


def agreement_db(latents: Tensor, reference: Tensor) -> float:
    """PSNR of latents in dB, at most 100; the peak is the range of the reference."""
    peak = float(reference.max() - reference.min())
    error = float((latents - reference).square().mean())
    return min(100.0, 10 * math.log10(peak**2 / error)) if error else 100.0


def _ways(model: Model, network: Any, steps: int, budget: int) -> list[Cached]:
    every, mask = interval_within(budget, steps), even_nodes(steps, budget)
    # Noises that are not measured.
    runs = tuple(run_known(model, [(PROMPT, 1000 + i)], steps) for i in range(LEARNED_NOISES))
    priors, _ = estimate(model, runs, BudCache(mask, "velocity"), "history")
    taylor = {
        "cache_interval": every,
        "disable_cache_before_step": 2,
        "max_order": 1,
        "taylor_factors_dtype": torch.float32,
    }
    configs = (
        None,
        FirstBlockCacheConfig(threshold=_threshold(model, network, steps, budget)),
        TaylorSeerCacheConfig(**taylor),
        TaylorSeerCacheConfig(**taylor, use_lite_mode=True),
    )
    policies: Sequence[StepPolicy] = (
        Interval(every, "stack"),
        Interval(every, "blocks"),
        BudCache(mask, "stack"),
        priors,
    )
    theirs = [Cached(name, Always(), config) for name, config in zip(COMPARED, configs, strict=False)]
    return theirs + [Cached(name, policy) for name, policy in zip(COMPARED[len(configs) :], policies, strict=True)]


def _threshold(model: Model, network: Any, steps: int, budget: int) -> float:
    """The threshold of FirstBlockCache that computes nearest to `budget` steps, by halving on a logarithmic scale."""
    low, high = -4.0, 1.0
    tried: dict[float, int] = {}
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        way = Cached("", Always(), FirstBlockCacheConfig(threshold=10**middle))
        _, computed, _ = _run(model, network, way, 0, steps)
        tried[10**middle] = abs(computed - budget)
        if computed == budget:
            break
        low, high = (middle, high) if computed > budget else (low, middle)
    return min(tried, key=lambda threshold: tried[threshold])


def _run(model: Model, network: Any, way: Cached, seed: int, steps: int) -> tuple[Tensor, int, float]:
    """Final latents, steps whose last block computed its attention, and seconds without encoding."""
    defaults = model.defaults
    shape = model.latent_shape(defaults.height, defaults.width)
    asked = model.encode(PROMPT, "", defaults.guidance)
    field = Field(model, asked, model.schedule(steps, shape), model.noise(seed, shape), steps)
    plan = SamplingPlan.reusing("interval", field.schedule, way.policy, budget=steps)
    if way.config is not None:
        network.enable_cache(way.config)
    try:
        with _counted(network) as calls, network.cache_context("cond"):
            began = time.perf_counter()
            taken, _ = collect(sample(Reuse(), (), plan, field, ""))
            seconds = time.perf_counter() - began
    finally:
        if way.config is not None:
            network.disable_cache()
    return taken[-1].latents, len(calls), seconds


@contextmanager
def _counted(network: Any) -> Iterator[list[int]]:
    """How often the last block computes its attention, whoever else may skip it."""
    calls: list[int] = []
    handle = network.single_transformer_blocks[-1].attn.to_q.register_forward_hook(lambda *_: calls.append(1))
    try:
        yield calls
    finally:
        handle.remove()


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a Markdown table under their label."""
    lines = []
    for row in rows:
        same = "identical" if row["agreement_db"] >= 100 else f"{row['agreement_db']:.1f}"
        spent = f"{row['computed']:g} of {row['steps']}"
        lines.append((row["method"], spent, f"{row['seconds']:.2f}", f"{row['ratio']:.0%}", same))
    head = ("", "steps computed", "seconds", "of full compute", "agreement of latents, dB")
    return f"{rows[0]['label'].capitalize()}.\n\n{table(head, lines, right=True)}"
