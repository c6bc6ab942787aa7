"""The picture side of the pipeline: autoencoder and transformer, and all parts put together (arXiv:2403.03206).

192 x 192 pictures become latents [B, 8, 24, 24], read by the transformer as 144 image tokens; 128 x 192 and 192 x 128
are trained too, with the middle of the same grid of position embeddings.
"""

from dataclasses import dataclass

from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
from transformers import CLIPTextModelWithProjection, CLIPTokenizer

from tools.world.architecture import TEXT_WIDTH

IMAGE_SIZE = 192
LATENT_CHANNELS = 8
PATCH = 8
SHIFT = 3.0


@dataclass(frozen=True)
class Shape:
    """How large the networks are; the default is the released model, tests train smaller ones."""

    widths: tuple[int, ...] = (32, 64, 128, 128)
    blocks: int = 8
    width: int = 256
    heads: int = 4


def build_autoencoder(shape: Shape) -> AutoencoderKL:
    """A convolutional autoencoder, [B, 3, H, W] to [B, 8, H/8, W/8]; no attention, so any size decodes."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=shape.widths,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=8,
        sample_size=IMAGE_SIZE,
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=False,
    )


def build_transformer(shape: Shape) -> SD3Transformer2DModel:
    """An MM-DiT; by default eight blocks of width 256 (18.6 M parameters)."""
    return SD3Transformer2DModel(
        sample_size=IMAGE_SIZE // PATCH,
        patch_size=2,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        num_layers=shape.blocks,
        attention_head_dim=shape.width // shape.heads,
        num_attention_heads=shape.heads,
        joint_attention_dim=2 * TEXT_WIDTH,
        caption_projection_dim=shape.width,
        pooled_projection_dim=2 * TEXT_WIDTH,
        pos_embed_max_size=24,
        qk_norm="rms_norm",
    )


def assemble(
    transformer: SD3Transformer2DModel,
    autoencoder: AutoencoderKL,
    text_encoders: tuple[CLIPTextModelWithProjection, CLIPTextModelWithProjection],
    tokenizer: CLIPTokenizer,
) -> StableDiffusion3Pipeline:
    """The parts as the pipeline that stock diffusers saves, loads and runs."""
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=SHIFT),
        vae=autoencoder,
        text_encoder=text_encoders[0],
        tokenizer=tokenizer,
        text_encoder_2=text_encoders[1],
        tokenizer_2=tokenizer,
        text_encoder_3=None,
        tokenizer_3=None,
        image_encoder=None,
        feature_extractor=None,
    )
