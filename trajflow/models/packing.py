"""Latents as tokens and back: FLUX.1 and Qwen-Image read patches of 2 x 2 latent pixels as one token each.

    [1, C, H, W] <-> [1, H / 2 * W / 2, 4 C]

Elsewhere in trajflow x keeps its two dimensions: packing only moves numbers about, so a step taken before it or after
it is the same to the bit.
"""

from torch import Tensor


def pack(x: Tensor) -> Tensor:
    """Tokens [1, H / 2 * W / 2, 4 C] of latents [1, C, H, W], row by row; H and W are even."""
    _, channels, height, width = x.shape
    patches = x.reshape(1, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return patches.reshape(1, height // 2 * (width // 2), 4 * channels)


def unpack(tokens: Tensor, height: int, width: int) -> Tensor:
    """Latents [1, C, height, width] of their tokens, contiguous."""
    channels = tokens.shape[-1] // 4
    patches = tokens.reshape(1, height // 2, width // 2, channels, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return patches.reshape(1, channels, height, width)
