"""Stable Diffusion 3's transformer with the caches of diffusers attached, from outside.

`SD3Transformer2DModel` lacks what they need in two places. It has no `CacheMixin`, which enters them and names the call
that their state belongs to: a subclass adds it. And its last block returns nothing for the text, which FirstBlockCache
subtracts and TaylorSeer's lite form asks for its shape: here that block hands on the text it was given, which the
network does not look at again. Both rows of a guided step go through the network in one call, as in the stock pipeline,
so one decision is made for the two.

FirstBlockCache and MagCache know the blocks by their class, which diffusers has listed; the last one is listed here.
TeaCache is not attached: diffusers has no such cache, and names it only as what FirstBlockCache builds on.
"""

import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from diffusers import SD3Transformer2DModel
from diffusers.hooks import MagCacheConfig
from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry
from diffusers.models.attention import JointTransformerBlock
from diffusers.models.cache_utils import CacheMixin
from torch import Tensor, nn

RATIOS = re.compile(r"^\[[-\d.].*\]$", re.MULTILINE)


class LastBlock(JointTransformerBlock):
    """The last block, which returns the text as it came instead of nothing."""

    def forward(self, hidden_states: Tensor, encoder_hidden_states: Tensor, *inputs: Any, **named: Any) -> Any:
        """Text and picture tokens, in this order."""
        _, tokens = super().forward(hidden_states, encoder_hidden_states, *inputs, **named)
        return encoder_hidden_states, tokens


class CachedSD3Transformer(SD3Transformer2DModel, CacheMixin):
    """The transformer with the calls that caches are entered by."""


TransformerBlockRegistry.register(
    LastBlock, TransformerBlockMetadata(return_hidden_states_index=1, return_encoder_hidden_states_index=0)
)


def with_caches(network: SD3Transformer2DModel) -> CachedSD3Transformer:
    """A transformer on the same weights that caches can be attached to; without one it answers the same bits."""
    config = network.config
    made = CachedSD3Transformer.from_config(config)
    last = config.num_layers - 1
    made.transformer_blocks[last] = LastBlock(
        dim=config.num_attention_heads * config.attention_head_dim,
        num_attention_heads=config.num_attention_heads,
        attention_head_dim=config.attention_head_dim,
        context_pre_only=True,
        qk_norm=config.qk_norm,
        use_dual_attention=last in config.dual_attention_layers,
    )
    made.load_state_dict(network.state_dict(), assign=True)
    return made.eval()


@contextmanager
def cached(network: Any, config: Any) -> Iterator[None]:
    """The network with a cache of diffusers for one run; None for none."""
    if config is not None:
        network.enable_cache(config)
    try:
        with network.cache_context("cond"):
            yield
    finally:
        if config is not None:
            network.disable_cache()


def calibrate_mag(network: Any, run: Callable[[], object], steps: int) -> list[float]:
    """The ratios of magnitudes [steps] that MagCache needs of a model, from one run, by its own calibration.

    That prints them, for somebody to copy.
    """
    printed = io.StringIO()
    with redirect_stdout(printed), cached(network, MagCacheConfig(calibrate=True, num_inference_steps=steps)):
        run()
    [found] = RATIOS.findall(printed.getvalue())
    return list(json.loads(found))


@contextmanager
def counting(network: nn.Module) -> Iterator[list[int]]:
    """Multiplications of all linear and convolutional layers, call by call; those inside attention are not counted."""
    done: list[int] = []

    def count(layer: Any, _: Any, output: Tensor) -> None:
        channels = layer.weight.shape[0]
        done.append(layer.weight.numel() * (output.numel() // channels))

    layers = [each for each in network.modules() if isinstance(each, nn.Linear | nn.Conv2d)]
    handles = [layer.register_forward_hook(count) for layer in layers]
    try:
        yield done
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def counting_steps(block: Any) -> Iterator[list[int]]:
    """How often a block computes its attention, whoever else may skip it."""
    calls: list[int] = []
    handle = block.attn.to_q.register_forward_hook(lambda *_: calls.append(1))
    try:
        yield calls
    finally:
        handle.remove()
