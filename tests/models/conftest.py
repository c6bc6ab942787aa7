"""Small pipelines of random weights, one of each class that has an adapter, and how the stock call is told the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKLFlux2,
    AutoencoderKLQwenImage,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Pipeline,
    Flux2Transformer2DModel,
    FluxPipeline,
    FluxTransformer2DModel,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor, nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    Mistral3Config,
    Mistral3ForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3Model,
    T5Config,
    T5EncoderModel,
)

from tests.parts import autoencoder, spread
from trajflow.base import Model
from trajflow.models.packing import pack
from trajflow.models.registry import wrap

WIDTH = 16
TEXT_LENGTH = 48
# These write a long text of their own before the prompt.
LONG = 320
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }} "
    "{% if message.content is string %}{{ message.content }}{% else %}{{ message.content[0].text }}{% endif %}"
    "<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>{% endif %}"
)
DYNAMIC = {"use_dynamic_shifting": True, "base_image_seq_len": 16, "max_image_seq_len": 256, "base_shift": 0.3}


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte, so that no text is unreadable; the chat template writes every message out."""
    special = ["<pad>", "</s>", "<|im_start|>", "<|im_end|>"]
    vocabulary = {token: i for i, token in enumerate([*special, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    tokens = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokens.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokens,
        pad_token="<pad>",
        eos_token="</s>",
        additional_special_tokens=["<|im_start|>", "<|im_end|>"],
        model_max_length=2048,
    )
    made.chat_template = CHAT
    return made


def language_model(kind: type, layers: int, tokenizer: PreTrainedTokenizerFast) -> nn.Module:
    """A Qwen3 of that class; the prompt states are taken from its inner layers."""
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    return spread(kind(config))


def flux(scheduler: FlowMatchEulerDiscreteScheduler, clip: Any, guidance_embeds: bool = True) -> FluxPipeline:
    t5 = byte_tokenizer()
    clip_config = CLIPTextConfig(
        vocab_size=len(clip),
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=clip.model_max_length,
        bos_token_id=clip.bos_token_id,
        eos_token_id=clip.eos_token_id,
        pad_token_id=clip.pad_token_id,
    )
    t5_config = T5Config(
        vocab_size=len(t5), d_model=WIDTH, d_kv=8, d_ff=WIDTH, num_layers=2, num_heads=2, pad_token_id=t5.pad_token_id
    )
    transformer = FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        guidance_embeds=guidance_embeds,
        axes_dims_rope=(4, 4, 8),
    )
    return FluxPipeline(
        scheduler=scheduler,
        vae=autoencoder(),
        text_encoder=spread(CLIPTextModel(clip_config)),
        tokenizer=clip,
        text_encoder_2=spread(T5EncoderModel(t5_config)),
        tokenizer_2=t5,
        transformer=spread(transformer),
    )


def flux2_parts(guidance_embeds: bool) -> dict[str, nn.Module]:
    transformer = Flux2Transformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=3 * WIDTH,
        timestep_guidance_channels=16,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=guidance_embeds,
    )
    decoder = AutoencoderKLFlux2(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 8, 16),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )
    nn.init.normal_(decoder.bn.running_mean)
    nn.init.uniform_(decoder.bn.running_var, 0.5, 2.0)
    return {"transformer": spread(transformer), "vae": decoder.eval()}


def flux2(scheduler: FlowMatchEulerDiscreteScheduler, clip: Any) -> Flux2Pipeline:
    tokenizer = byte_tokenizer()
    text = {
        "model_type": "mistral",
        "vocab_size": len(tokenizer),
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "num_hidden_layers": 30,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
    }
    vision = {
        "model_type": "pixtral",
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "head_dim": 8,
        "image_size": 32,
        "patch_size": 16,
    }
    config = Mistral3Config(text_config=text, vision_config=vision, image_token_index=3)
    encoder = spread(Mistral3ForConditionalGeneration(config))
    return Flux2Pipeline(scheduler=scheduler, text_encoder=encoder, tokenizer=tokenizer, **flux2_parts(True))


def klein(scheduler: FlowMatchEulerDiscreteScheduler, clip: Any, is_distilled: bool = False) -> Flux2KleinPipeline:
    tokenizer = byte_tokenizer()
    return Flux2KleinPipeline(
        scheduler=scheduler,
        text_encoder=language_model(Qwen3ForCausalLM, 27, tokenizer),
        tokenizer=tokenizer,
        is_distilled=is_distilled,
        **flux2_parts(False),
    )


def qwen(scheduler: FlowMatchEulerDiscreteScheduler, clip: Any) -> QwenImagePipeline:
    tokenizer = byte_tokenizer()
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": WIDTH,
            "intermediate_size": WIDTH,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "rope_scaling": {"mrope_section": [1, 1, 2], "rope_type": "default"},
        },
        vision_config={
            "depth": 1,
            "hidden_size": WIDTH,
            "intermediate_size": WIDTH,
            "num_heads": 2,
            "out_hidden_size": WIDTH,
        },
    )
    transformer = QwenImageTransformer2DModel(
        in_channels=16,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        axes_dims_rope=(8, 4, 4),
    )
    decoder = AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=4,
        dim_mult=[1, 2, 2],
        num_res_blocks=1,
        temperal_downsample=[False, True],
        latents_mean=[0.3, -0.2, 0.1, 0.0],
        latents_std=[1.5, 0.7, 1.0, 2.0],
    )
    return QwenImagePipeline(
        scheduler=scheduler,
        vae=decoder.eval(),
        text_encoder=spread(Qwen2_5_VLForConditionalGeneration(config)),
        tokenizer=tokenizer,
        transformer=spread(transformer),
    )


def zimage(scheduler: FlowMatchEulerDiscreteScheduler, clip: Any) -> ZImagePipeline:
    tokenizer = byte_tokenizer()
    transformer = ZImageTransformer2DModel(
        in_channels=4,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=WIDTH,
        axes_dims=[8, 4, 4],
        axes_lens=[256, 32, 32],
    )
    return ZImagePipeline(
        scheduler=scheduler,
        vae=autoencoder(),
        text_encoder=language_model(Qwen3Model, 2, tokenizer),
        tokenizer=tokenizer,
        transformer=spread(transformer),
    )


@dataclass(frozen=True)
class Case:
    """A pipeline class and how its stock call names what trajflow calls by one name.

    `requests` are what is compared with the stock call, by name; `settings` are the adapter's; `guidance` the stock
    name of the primary scale; `negative` the stock name of the negative prompt, None where there is none; `silent` what
    stock is told for an empty negative prompt; `tokens` brings latents into the stock layout; `constant` is told to
    every stock call. A guided evaluation takes `rows`; `is_negated` where a negative prompt is heard.
    """

    build: Callable[..., DiffusionPipeline]
    requests: Mapping[str, Mapping[str, Any]]
    scheduler: Mapping[str, Any] = field(default_factory=lambda: DYNAMIC)
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    guidance: str = "guidance_scale"
    negative: str | None = "negative_prompt"
    silent: str | None = None
    tokens: Callable[[Tensor], Tensor] = pack
    constant: Mapping[str, Any] = field(default_factory=dict)
    text_length: int = TEXT_LENGTH
    rows: int = 1
    is_negated: bool = False

    def stock_call(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The stock keywords for a trajflow request."""
        call = {
            "prompt": request["prompt"],
            "num_inference_steps": request["steps"],
            self.guidance: request["guidance"],
            "height": request["height"],
            "width": request["width"],
            "max_sequence_length": self.text_length,
            **self.constant,
        }
        given = request.get("negative_prompt") or self.silent
        return {**call, self.negative: given} if self.negative and given is not None else call


def rows(x: Tensor) -> Tensor:
    """Tokens [1, H W, C] as FLUX.2 has them."""
    return x.flatten(2).permute(0, 2, 1)


GUIDED = {"guided": {"guidance": 3.5}, "not guided": {"guidance": 1.0}, "one step": {"guidance": 2.0, "steps": 1}}
NEGATIVE = {**GUIDED, "negative": {"guidance": 3.0, "negative_prompt": "blurry, red, small"}}
CASES = {
    "FLUX.1 dev": Case(flux, GUIDED),
    "FLUX.1 true CFG": Case(
        flux,
        {"no negative": {"guidance": 3.0}, "negative": {"guidance": 3.0, "negative_prompt": "blurry"}},
        settings={"true_cfg_scale": 2.5},
        constant={"true_cfg_scale": 2.5},
        rows=2,
        is_negated=True,
    ),
    "FLUX.1 schnell": Case(
        flux,
        {"no guidance": {"guidance": 0.0}},
        scheduler={"shift": 1.0},
        options={"guidance_embeds": False},
    ),
    "FLUX.2 dev": Case(flux2, GUIDED, negative=None, tokens=rows, text_length=LONG),
    "FLUX.2 klein base": Case(klein, GUIDED, negative=None, tokens=rows, rows=2),
    "FLUX.2 klein": Case(klein, GUIDED, options={"is_distilled": True}, negative=None, tokens=rows),
    "Qwen-Image": Case(
        qwen, NEGATIVE, guidance="true_cfg_scale", silent=" ", text_length=LONG, rows=2, is_negated=True
    ),
    "Z-Image": Case(
        zimage,
        {**NEGATIVE, "no guidance": {"guidance": 0.0}},
        scheduler={"shift": 3.0},
        silent="",
        tokens=lambda x: x,
        rows=2,
        is_negated=True,
    ),
}


@pytest.fixture(scope="session")
def build(tokenizer) -> Callable[..., DiffusionPipeline]:
    """The pipeline of a case; equal arguments give equal weights."""

    def make(case: Case, *, seed: int = 0, dtype: torch.dtype = torch.float32, **scheduler: Any) -> DiffusionPipeline:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            grid = FlowMatchEulerDiscreteScheduler(**{**case.scheduler, **scheduler})
            pipeline = case.build(grid, tokenizer, **case.options)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline if dtype == torch.float32 else pipeline.to(dtype)

    return make


@pytest.fixture(scope="session")
def bytes_tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte."""
    return byte_tokenizer()


@pytest.fixture(scope="session")
def cases() -> Mapping[str, Case]:
    """All cases by name."""
    return CASES


@pytest.fixture(scope="session")
def adapter() -> Callable[..., Model]:
    """A pipeline as a model that draws 32 x 32 pictures unless told otherwise."""

    def adapt(case: Case, pipeline: DiffusionPipeline, **settings: Any) -> Model:
        small = {"max_sequence_length": case.text_length, "height": 32, "width": 32}
        return wrap(pipeline, "random", {**small, **case.settings, **settings})

    return adapt


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`kind` runs over all pipeline classes, `kind` with `asked` over all that is compared with their stock calls."""
    if {"kind", "asked"} <= set(metafunc.fixturenames):
        pairs = [(case, asked) for case in CASES.values() for asked in case.requests.values()]
        names = [f"{name}-{asked}" for name, case in CASES.items() for asked in case.requests]
        metafunc.parametrize(("kind", "asked"), pairs, ids=names)
    elif "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", CASES.values(), ids=list(CASES))


@pytest.fixture(scope="session")
def built(build: Callable[..., DiffusionPipeline]) -> Callable[..., DiffusionPipeline]:
    """The pipeline of a case in a dtype, made once: for tests that leave it as it is."""
    made: dict[tuple[int, torch.dtype], DiffusionPipeline] = {}

    def get(case: Case, dtype: torch.dtype = torch.float32) -> DiffusionPipeline:
        if (id(case), dtype) not in made:
            made[id(case), dtype] = build(case, dtype=dtype)
        return made[id(case), dtype]

    return get
