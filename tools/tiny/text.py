"""Text encoders first: they learn to read a scene out of any wording, which costs minutes, before pictures are made.

Two heads read the attributes from each place the pipeline reads text: the pooled vector and the token states. The
heads are thrown away; the encoders stay frozen while the transformer trains.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from tqdm import trange
from transformers import CLIPTextModelWithProjection, CLIPTokenizer

from tools.tiny.architecture import TEXT_WIDTH, build_text_encoder, embed
from tools.tiny.captions import HELDOUT_SCENES, TRAIN_SCENES, caption
from tools.tiny.scenes import FOREGROUNDS, SUBJECTS, TIMES, WEATHERS, Scene

ATTRIBUTES = {"subject": SUBJECTS, "time": TIMES, "weather": WEATHERS, "foreground": FOREGROUNDS}


def attribute_labels(scenes: Sequence[Scene]) -> dict[str, torch.Tensor]:
    """Class indices [B] of every attribute."""
    return {
        name: torch.tensor([values.index(getattr(scene, name)) for scene in scenes])
        for name, values in ATTRIBUTES.items()
    }


class AttributeReader(nn.Module):
    """Logits per attribute from text: the pooled vector and the attention-pooled token states each get a say."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(2 * TEXT_WIDTH, len(ATTRIBUTES))
        self.states = nn.ModuleDict({name: nn.Linear(2 * TEXT_WIDTH, len(v)) for name, v in ATTRIBUTES.items()})
        self.pooled = nn.ModuleDict({name: nn.Linear(2 * TEXT_WIDTH, len(v)) for name, v in ATTRIBUTES.items()})

    def forward(self, states: torch.Tensor, pooled: torch.Tensor) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """(Logits from the states, logits from the pooled vector) of every attribute."""
        read = torch.einsum("btk,btd->bkd", self.query(states).softmax(dim=1), states)
        return {name: (self.states[name](read[:, k]), self.pooled[name](pooled)) for k, name in enumerate(ATTRIBUTES)}


def train_text_encoders(
    tokenizer: CLIPTokenizer, steps: int, device: torch.device, seed: int = 0, batch: int = 128
) -> tuple[tuple[CLIPTextModelWithProjection, CLIPTextModelWithProjection], dict[str, float]]:
    """Train both encoders to read scenes.

    Returns the encoders (eval mode) and, per attribute, the accuracy on held-out combinations in held-out wordings.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    encoders = (build_text_encoder(tokenizer).to(device), build_text_encoder(tokenizer).to(device))
    reader = AttributeReader().to(device)
    parameters = [p for module in (*encoders, reader) for p in module.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-3, total_steps=steps, pct_start=0.1)
    bar = trange(steps, desc="text encoders", mininterval=5)
    for _ in bar:
        scenes = [TRAIN_SCENES[i] for i in rng.integers(len(TRAIN_SCENES), size=batch)]
        states, pooled = embed([caption(scene, rng) for scene in scenes], encoders, tokenizer)
        labels = attribute_labels(scenes)
        read = reader(states, pooled)
        loss = torch.stack(
            [cross_entropy(logits, labels[name].to(device)) for name in ATTRIBUTES for logits in read[name]]
        ).sum()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
    for encoder in encoders:
        encoder.eval().requires_grad_(False)
    return encoders, _accuracy(encoders, reader, tokenizer, rng)


@torch.no_grad()
def _accuracy(encoders, reader: AttributeReader, tokenizer: CLIPTokenizer, rng: np.random.Generator):
    scenes = HELDOUT_SCENES * 20
    states, pooled = embed([caption(scene, rng, "heldout") for scene in scenes], encoders, tokenizer)
    labels, read = attribute_labels(scenes), reader(states, pooled)
    return {name: float((sum(read[name]).argmax(-1).cpu() == labels[name]).float().mean()) for name in ATTRIBUTES}
