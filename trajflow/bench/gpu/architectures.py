"""Networks of the published sizes with random weights; nothing is downloaded.

The sizes are those of the public config.json files of stable-diffusion-3-medium, stable-diffusion-3.5-large and
FLUX.1-dev (their parts transformer, vae and scheduler). The text encoders are stand-ins that are never run: a prompt
becomes random states of the right shape.
"""

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)
from tokenizers import Tokenizer, models
from torch import Tensor
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
)

from trajflow.base import Model
from trajflow.errors import RequestError
from trajflow.models.flux import FluxModel
from trajflow.models.sd3 import SD3Model

WIDTHS = (128, 256, 512, 512)
SMALL_WIDTHS = (8, 8, 16, 16)
SMALL_SIZE = 64
NEARNESS = 0.3


@dataclass(frozen=True)
class Architecture:
    """The arguments of the transformer; scale and shift of the autoencoder's latents; the scheduler's arguments; tokens
    of text in a row. `family` is "sd3" or "flux"."""

    family: str
    transformer: Mapping[str, Any]
    latents: tuple[float, float]
    scheduler: Mapping[str, Any]
    tokens: int
    widths: tuple[int, ...] = WIDTHS
    size: int = 1024

    @property
    def small(self) -> "Architecture":
        """The same in little, to try it on a CPU."""
        layers = {"num_layers": 2, "num_attention_heads": 2, "attention_head_dim": 16, "joint_attention_dim": 32}
        layers |= {"pooled_projection_dim": 16}
        more: dict[str, Any] = {"caption_projection_dim": 32}
        if self.family == "flux":
            more = {"num_single_layers": 2, "axes_dims_rope": (4, 4, 8)}
        return replace(
            self, transformer={**self.transformer, **layers, **more}, tokens=8, widths=SMALL_WIDTHS, size=SMALL_SIZE
        )


SD3 = {
    "sample_size": 128,
    "patch_size": 2,
    "in_channels": 16,
    "out_channels": 16,
    "attention_head_dim": 64,
    "joint_attention_dim": 4096,
    "pooled_projection_dim": 2048,
    "pos_embed_max_size": 192,
}
FLUX = {
    "patch_size": 1,
    "in_channels": 64,
    "num_layers": 19,
    "num_single_layers": 38,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "pooled_projection_dim": 768,
    "guidance_embeds": True,
    "axes_dims_rope": (16, 56, 56),
}
MEDIUM = {**SD3, "num_layers": 24, "num_attention_heads": 24, "caption_projection_dim": 1536}
LARGE = {**SD3, "num_layers": 38, "num_attention_heads": 38, "caption_projection_dim": 2432, "qk_norm": "rms_norm"}
SHIFTING = {"shift": 3.0, "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}

ARCHITECTURES = {
    "sd3-medium": Architecture("sd3", MEDIUM, (1.5305, 0.0609), {"shift": 3.0}, 77 + 256),
    "sd3.5-large": Architecture("sd3", LARGE, (1.5305, 0.0609), {"shift": 3.0}, 77 + 256),
    "flux-dev": Architecture("flux", FLUX, (0.3611, 0.1159), SHIFTING, 512),
}


def build(name: str, device: torch.device, dtype: torch.dtype, *, is_small: bool = False) -> Model:
    """The model of that architecture with random weights, made on the device. Raises RequestError for another name."""
    if name not in ARCHITECTURES:
        raise RequestError(f"There is no architecture {name!r}. Choose one of: {', '.join(ARCHITECTURES)}.")
    architecture = ARCHITECTURES[name].small if is_small else ARCHITECTURES[name]
    scheduler = FlowMatchEulerDiscreteScheduler(**architecture.scheduler)
    torch.manual_seed(0)
    with _made_on(device, dtype):
        vae = _autoencoder(architecture).eval()
        if architecture.family == "sd3":
            return _sd3(name, architecture, scheduler, vae)
        return _flux(name, architecture, scheduler, vae)


def _sd3(name: str, architecture: Architecture, scheduler: Any, vae: AutoencoderKL) -> Model:
    pipeline = StableDiffusion3Pipeline(
        transformer=SD3Transformer2DModel(**architecture.transformer).eval(),
        scheduler=scheduler,
        vae=vae,
        text_encoder=_clip(CLIPTextModelWithProjection),
        tokenizer=_tokenizer(),
        text_encoder_2=_clip(CLIPTextModelWithProjection),
        tokenizer_2=_tokenizer(),
        text_encoder_3=None,
        tokenizer_3=None,
    )
    return _SD3OfNoWords(pipeline, name, {"height": architecture.size, "width": architecture.size}, architecture)


def _flux(name: str, architecture: Architecture, scheduler: Any, vae: AutoencoderKL) -> Model:
    t5 = T5Config(vocab_size=8, d_model=8, d_kv=8, d_ff=8, num_layers=1, num_heads=1)
    pipeline = FluxPipeline(
        transformer=FluxTransformer2DModel(**architecture.transformer).eval(),
        scheduler=scheduler,
        vae=vae,
        text_encoder=_clip(CLIPTextModel),
        tokenizer=_tokenizer(),
        text_encoder_2=T5EncoderModel(t5).eval(),
        tokenizer_2=_tokenizer(),
    )
    return _FluxOfNoWords(pipeline, name, {"height": architecture.size, "width": architecture.size}, architecture)


class _SD3OfNoWords(SD3Model):
    def __init__(self, pipeline: Any, name: str, settings: Mapping[str, Any], architecture: Architecture) -> None:
        super().__init__(pipeline, name, settings)
        self._architecture = architecture

    def encode_text(self, prompt: str, negative_prompt: str, guidance: float) -> dict[str, Tensor]:
        """Random states of the right shape, with the negative row first when guidance > 1."""
        transformer, tokens = self._architecture.transformer, self._architecture.tokens
        texts = (negative_prompt, prompt) if guidance > 1 else (prompt,)
        states = [_states(text, (tokens, transformer["joint_attention_dim"])) for text in texts]
        pooled = [_states(text, (transformer["pooled_projection_dim"],)) for text in texts]
        tensors = {"states": torch.stack(states), "pooled": torch.stack(pooled)}
        return {key: tensor.to(self.device, self.pipeline.transformer.dtype) for key, tensor in tensors.items()}


class _FluxOfNoWords(FluxModel):
    def __init__(self, pipeline: Any, name: str, settings: Mapping[str, Any], architecture: Architecture) -> None:
        super().__init__(pipeline, name, settings)
        self._architecture = architecture

    def encode_one(self, prompt: str) -> dict[str, Tensor]:
        """Random states of the right shape."""
        transformer, tokens = self._architecture.transformer, self._architecture.tokens
        tensors = {
            "states": _states(prompt, (1, tokens, transformer["joint_attention_dim"])),
            "pooled": _states(prompt, (1, transformer["pooled_projection_dim"])),
            "positions": torch.zeros(tokens, 3),
        }
        return {key: tensor.to(self.device, self.pipeline.transformer.dtype) for key, tensor in tensors.items()}


def _states(text: str, shape: tuple[int, ...]) -> Tensor:
    """Numbers that belong to a text, near those of any other, as related prompts are."""
    common = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    own = torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(text.encode())))
    return common + NEARNESS * own


def _autoencoder(architecture: Architecture) -> AutoencoderKL:
    widths, (scale, shift) = architecture.widths, architecture.latents
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        block_out_channels=widths,
        layers_per_block=2,
        latent_channels=16,
        norm_num_groups=min(32, widths[0]),
        sample_size=1024,
        scaling_factor=scale,
        shift_factor=shift,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def _clip(kind: type) -> Any:
    sizes = dict.fromkeys(("vocab_size", "hidden_size", "intermediate_size", "projection_dim"), 8)
    sizes |= {"num_hidden_layers": 1, "num_attention_heads": 1}
    return kind(CLIPTextConfig(**sizes, bos_token_id=0, eos_token_id=0)).eval()


def _tokenizer() -> PreTrainedTokenizerFast:
    tokens = Tokenizer(models.WordLevel({"<pad>": 0, "<unk>": 1}, unk_token="<unk>"))
    return PreTrainedTokenizerFast(tokenizer_object=tokens, pad_token="<pad>", unk_token="<unk>", model_max_length=77)


@contextmanager
def _made_on(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Modules made inside have their weights there and so: twelve billion float32 numbers would not fit beside."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            yield
    finally:
        torch.set_default_dtype(usual)
