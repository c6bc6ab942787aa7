"""The shape of the bundled model: a small, genuine Stable Diffusion 3 pipeline (arXiv:2403.03206).

128 x 128 pictures become latents [B, 8, 16, 16], read by the transformer as 64 image tokens beside 25 text tokens.
There is no T5: its place is one zero token, so `max_sequence_length` is 1 wherever the pipeline is called.
"""

import json
from collections.abc import Iterable

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

IMAGE_SIZE = 128
TEXT_TOKENS = 24
TEXT_WIDTH = 128
VOCABULARY = 1024
SHIFT = 3.0


def build_tokenizer(corpus: Iterable[str]) -> CLIPTokenizer:
    """Train a CLIP byte-pair tokenizer on `corpus`; every byte is in its alphabet, so no text is unreadable."""
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    bpe.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Punctuation(),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        initial_alphabet=alphabet,
        special_tokens=["<|startoftext|>", "<|endoftext|>"],
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    bpe.train_from_iterator(corpus, trainer)
    learned = json.loads(bpe.to_str())["model"]
    merges = [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in learned["merges"]]
    vocabulary = learned["vocab"]
    for letter in alphabet:
        vocabulary.setdefault(letter + "</w>", len(vocabulary))
    return CLIPTokenizer(
        vocab=vocabulary,
        merges=merges,
        bos_token="<|startoftext|>",
        eos_token="<|endoftext|>",
        unk_token="<|endoftext|>",
        pad_token="<|endoftext|>",
        model_max_length=TEXT_TOKENS,
    )


def build_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModelWithProjection:
    """A three-layer CLIP text encoder: token states [B, 24, 128], pooled [B, 128]."""
    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=TEXT_WIDTH,
            intermediate_size=4 * TEXT_WIDTH,
            projection_dim=TEXT_WIDTH,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=TEXT_TOKENS,
            hidden_act="gelu",
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def build_autoencoder() -> AutoencoderKL:
    """A convolutional autoencoder, [B, 3, 128, 128] to latents [B, 8, 16, 16]; no attention, so any size decodes."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 64, 128),
        layers_per_block=1,
        latent_channels=8,
        norm_num_groups=2,
        sample_size=IMAGE_SIZE,
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=False,
    )


def build_transformer() -> SD3Transformer2DModel:
    """A six-block MM-DiT of width 256 (14 M parameters) over 64 image tokens."""
    return SD3Transformer2DModel(
        sample_size=IMAGE_SIZE // 8,
        patch_size=2,
        in_channels=8,
        out_channels=8,
        num_layers=6,
        attention_head_dim=64,
        num_attention_heads=4,
        joint_attention_dim=2 * TEXT_WIDTH,
        caption_projection_dim=256,
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


def embed(
    prompts: list[str],
    text_encoders: tuple[CLIPTextModelWithProjection, CLIPTextModelWithProjection],
    tokenizer: CLIPTokenizer,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token states [B, 25, 256] and pooled vectors [B, 256], laid out as the SD3 pipeline lays them out."""
    device = text_encoders[0].device
    ids = tokenizer(
        prompts, padding="max_length", max_length=TEXT_TOKENS, truncation=True, return_tensors="pt"
    ).input_ids.to(device)
    outputs = [encoder(ids, output_hidden_states=True) for encoder in text_encoders]
    states = torch.cat([output.hidden_states[-2] for output in outputs], dim=-1)
    states = torch.nn.functional.pad(states, (0, 0, 0, 1))
    return states, torch.cat([output.text_embeds for output in outputs], dim=-1)
