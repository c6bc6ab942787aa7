"""The shape of the second model: a small, genuine FLUX.1 pipeline whose network hears the guidance (arXiv:2210.03142).

Autoencoder, tokenizer and the text encoder of the pooled vector are the bundled model's. The 128 x 128 picture is
latents [B, 8, 16, 16], packed to 64 tokens of 32 numbers; beside them stand 24 text tokens from a small T5 encoder.
"""

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel, StableDiffusion3Pipeline
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import CLIPTextModel, CLIPTokenizer, T5Config, T5EncoderModel

from tools.tiny.architecture import SHIFT, TEXT_TOKENS, TEXT_WIDTH

HEAD = 64
# Of a head's 64 numbers so many turn with the row and the column; the rest would with a third axis, 0 for all tokens.
AXES = (16, 24, 24)
IMAGE_TOKENS = 64


@dataclass(frozen=True)
class Shape:
    """How large the networks are: `double` blocks keep text and picture apart, `single` blocks do not."""

    double: int = 2
    single: int = 3
    heads: int = 3
    reader: int = 2


class Student(nn.Module):
    """What is trained: the transformer, and the T5 encoder that reads its token states."""

    def __init__(self, transformer: FluxTransformer2DModel, reader: T5EncoderModel) -> None:
        super().__init__()
        self.transformer = transformer
        self.reader = reader

    def forward(self, tokens: Tensor, ids: Tensor, pooled: Tensor, sigma: Tensor, guidance: Tensor) -> Tensor:
        """The velocity of tokens [B, 64, 32], told token ids [B, 24], pooled [B, 128], sigma and guidance [B]."""
        states = self.reader(ids)[0]
        side = math.isqrt(tokens.shape[1])
        return self.transformer(
            hidden_states=tokens,
            encoder_hidden_states=states,
            pooled_projections=pooled,
            timestep=sigma,
            guidance=guidance,
            txt_ids=torch.zeros(states.shape[1], 3, device=tokens.device),
            img_ids=FluxPipeline._prepare_latent_image_ids(1, side, side, tokens.device, torch.float32),
            return_dict=False,
        )[0]


def build_student(shape: Shape, tokenizer: CLIPTokenizer) -> Student:
    """Random networks; by default of 4.7 and 0.5 M parameters."""
    reader = T5Config(
        vocab_size=len(tokenizer),
        d_model=TEXT_WIDTH,
        d_kv=32,
        d_ff=4 * TEXT_WIDTH,
        num_layers=shape.reader,
        num_heads=4,
        dropout_rate=0.0,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
    )
    transformer = FluxTransformer2DModel(
        in_channels=32,
        num_layers=shape.double,
        num_single_layers=shape.single,
        attention_head_dim=HEAD,
        num_attention_heads=shape.heads,
        joint_attention_dim=TEXT_WIDTH,
        pooled_projection_dim=TEXT_WIDTH,
        guidance_embeds=True,
        axes_dims_rope=AXES,
    )
    return Student(transformer, T5EncoderModel(reader))


def pooling_encoder(teacher: Path) -> CLIPTextModel:
    """The first text encoder of the bundled model's folder, which gives the pooled vector [B, 128], frozen."""
    encoder = CLIPTextModel.from_pretrained(teacher / "text_encoder", dtype=torch.float32)
    return encoder.eval().requires_grad_(False)


def assemble(student: Student, teacher: StableDiffusion3Pipeline, pooling: CLIPTextModel) -> FluxPipeline:
    """The parts as the pipeline that stock diffusers saves, loads and runs.

    Its grid is shifted by the number of tokens, as FLUX's is; for 128 x 128 pictures the shift is the bundled model's.
    """
    scheduler = FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True,
        base_image_seq_len=IMAGE_TOKENS,
        max_image_seq_len=4 * IMAGE_TOKENS,
        base_shift=math.log(SHIFT),
        max_shift=math.log(2 * SHIFT),
    )
    return FluxPipeline(
        scheduler=scheduler,
        vae=teacher.vae,
        text_encoder=pooling,
        tokenizer=teacher.tokenizer,
        text_encoder_2=student.reader,
        tokenizer_2=teacher.tokenizer,
        transformer=student.transformer,
    )


def tokenize(prompts: list[str], tokenizer: CLIPTokenizer) -> Tensor:
    """Token ids [B, 24] as both encoders of the pipeline are given them."""
    return tokenizer(
        prompts, padding="max_length", max_length=TEXT_TOKENS, truncation=True, return_tensors="pt"
    ).input_ids


def attention(device: torch.device) -> AbstractContextManager:
    """How attention is done: on a CPU plain matrix products are faster than the fused kernel, above all backwards."""
    return nullcontext() if device.type == "cuda" else sdpa_kernel(SDPBackend.MATH)
