"""The shape of the new world's pipeline: a small, genuine Stable Diffusion 3 (arXiv:2403.03206).

Two CLIP text encoders read 64 tokens of a 4,096-entry vocabulary. There is no T5: its place is one zero token, so
`max_sequence_length` is 1 wherever the pipeline is called.
"""

import json
from collections.abc import Iterable

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

TEXT_TOKENS = 64
TEXT_WIDTH = 128
VOCABULARY = 4096
START, END = "<|startoftext|>", "<|endoftext|>"


def build_tokenizer(corpus: Iterable[str]) -> CLIPTokenizer:
    """Train a CLIP byte-pair tokenizer on `corpus`; every byte is in its alphabet, so no text is unreadable."""
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token=END))
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
        vocab_size=VOCABULARY - len(alphabet),
        initial_alphabet=alphabet,
        special_tokens=[START, END],
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
        bos_token=START,
        eos_token=END,
        unk_token=END,
        pad_token=END,
        model_max_length=TEXT_TOKENS,
    )


def build_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModelWithProjection:
    """A three-layer CLIP text encoder (1.1 M parameters): token states [B, 64, 128], pooled [B, 128]."""
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


def encode(
    ids: torch.Tensor, text_encoders: tuple[CLIPTextModelWithProjection, CLIPTextModelWithProjection]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token states [B, T, 256] and pooled vectors [B, 256] of token ids [B, T]."""
    outputs = [encoder(ids, output_hidden_states=True) for encoder in text_encoders]
    states = torch.cat([output.hidden_states[-2] for output in outputs], dim=-1)
    return states, torch.cat([output.text_embeds for output in outputs], dim=-1)


def embed(
    prompts: list[str],
    text_encoders: tuple[CLIPTextModelWithProjection, CLIPTextModelWithProjection],
    tokenizer: CLIPTokenizer,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token states [B, 65, 256] and pooled vectors [B, 256], laid out as the SD3 pipeline lays them out."""
    ids = tokenizer(prompts, padding="max_length", max_length=TEXT_TOKENS, truncation=True, return_tensors="pt")
    states, pooled = encode(ids.input_ids.to(text_encoders[0].device), text_encoders)
    return torch.nn.functional.pad(states, (0, 0, 0, 1)), pooled
