"""Parts that the small pipelines of several families have in common."""

from diffusers import AutoencoderKL
from torch import nn


def spread(module: nn.Module, std: float = 0.15) -> nn.Module:
    """Random weights everywhere: some layers start at zero, and would make prompt and time matter little."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=std)
    return module.eval()


def autoencoder() -> AutoencoderKL:
    return AutoencoderKL(
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
    ).eval()
