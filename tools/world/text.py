"""Text encoders first: they learn to read what is told out of any wording, before pictures are made.

    python -m tools.world.text --work DIR [--steps N]

writes the tokenizer and both encoders as the pipeline's folders, and the reader's heads beside them. The encoders stay
frozen while the transformer trains.
"""

import argparse
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from transformers import CLIPTextModelWithProjection, CLIPTokenizer

from tools.world import stage
from tools.world.architecture import TEXT_TOKENS, build_text_encoder, build_tokenizer, encode
from tools.world.captions import SHARES, caption
from tools.world.reader import QUESTIONS, Reader, answers, labels, loss, text_mask
from tools.world.scene import (
    ATTRIBUTES,
    COLOURS,
    KINDS,
    MOST_OBJECTS,
    MOST_OF_A_KIND,
    SIDES,
    SINGLE,
    UNCOLOURED,
    UNCOUNTED,
    Thing,
    Told,
)

CORPUS = 30_000
BATCH = 96
CHUNKS = 2
PEAK_RATE = 1.5e-3
WARM_UP = 200
# More of what is hard than pictures' captions have: languages, slips, rare spellings of known words.
STUDY_SHARES = {"english": 0.76, "german": 0.08, "french": 0.08, "spanish": 0.08}
STUDY_TYPOS = 0.3
MERGE_DROPOUT = 0.1
SAVE_EVERY = 500
_FIELDS = ("count", "colour", "side")


@dataclass(frozen=True)
class Readers:
    """A tokenizer, the two encoders that read with it, and the heads that say what they read."""

    tokenizer: CLIPTokenizer
    encoders: tuple[CLIPTextModelWithProjection, CLIPTextModelWithProjection]
    heads: Reader

    def modules(self) -> tuple[nn.Module, nn.Module, nn.Module]:
        """Everything that learns."""
        return (*self.encoders, self.heads)

    def ids(self, prompts: Sequence[str]) -> torch.Tensor:
        """Token ids [B, T] on the encoders' device."""
        return token_ids(self.tokenizer, prompts).to(self.encoders[0].device)

    def logits(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the token states and the pooled vector say, [B, 290] each."""
        return self.heads(*encode(ids, self.encoders), text_mask(ids, self.tokenizer.eos_token_id))

    @torch.no_grad()
    def read(self, prompts: Sequence[str]) -> torch.Tensor:
        """The classes [B, questions] of `prompts`, from the sum of both heads."""
        return answers(sum(self.logits(self.ids(prompts)))).cpu()


def random_told(draw: random.Random) -> Told:
    """Anything a caption may say: from one word to everything, with up to two kinds denied."""
    drop = draw.choice((0.2, 0.45, 0.6, 0.8))
    words = {name: draw.choice(values) if draw.random() >= drop else None for name, values in ATTRIBUTES.items()}
    kinds = draw.sample(KINDS, MOST_OBJECTS + 2)
    things = tuple(_random_thing(kind, draw) for kind in kinds[: draw.choices((0, 1, 2, 3), (30, 34, 23, 13))[0]])
    without = frozenset(kinds[MOST_OBJECTS:][: draw.choices((0, 1, 2), (80, 16, 4))[0]])
    if not any(words.values()) and not things:
        words["subject"] = draw.choice(ATTRIBUTES["subject"])
    open_ = frozenset((thing.kind, name) for thing in things for name in _FIELDS if draw.random() < 0.5)
    return Told(**words, things=things, open_=open_, without=without)


def new_tokenizer(seed: int = 0, corpus: int = CORPUS) -> CLIPTokenizer:
    """A tokenizer trained on the grammar's captions."""
    draw, rng = random.Random(seed), np.random.default_rng(seed)
    return build_tokenizer(caption(random_told(draw), rng, shares=STUDY_SHARES, typos=0.02) for _ in range(corpus))


def new_readers(tokenizer: CLIPTokenizer, seed: int = 0) -> Readers:
    """Untrained encoders and heads."""
    torch.manual_seed(seed)
    return Readers(tokenizer, (build_text_encoder(tokenizer), build_text_encoder(tokenizer)), Reader())


class Lessons(Dataset):
    """Step number to the parts of a batch, each token ids [B, T] with their labels; the same for the same number."""

    def __init__(self, tokenizer: CLIPTokenizer, batch: int, seed: int) -> None:
        self.tokenizer, self.batch, self.seed = tokenizer, batch, seed

    def __getitem__(self, step: int) -> list[tuple[Tensor, Tensor]]:
        draw, rng = random.Random(f"{self.seed} {step}"), np.random.default_rng((self.seed, step))
        told = [random_told(draw) for _ in range(self.batch)]
        texts = [caption(one, rng, shares=STUDY_SHARES, typos=STUDY_TYPOS) for one in told]
        # Every other batch is spelled in rarer pieces. The pieces' own chances are not seeded, the words are.
        self.tokenizer.backend_tokenizer.model.dropout = MERGE_DROPOUT if step % 2 else None
        parts = [(token_ids(self.tokenizer, part), labels(said)) for part, said in _chunks(texts, told)]
        self.tokenizer.backend_tokenizer.model.dropout = None
        return parts


def token_ids(tokenizer: CLIPTokenizer, prompts: Sequence[str]) -> Tensor:
    """Token ids [B, T] as far as the longest prompt goes; causal attention makes the padding irrelevant."""
    return tokenizer(
        list(prompts), padding="longest", max_length=TEXT_TOKENS, truncation=True, return_tensors="pt"
    ).input_ids


def train(
    readers: Readers,
    steps: int,
    seed: int = 0,
    batch: int = BATCH,
    work: Path | None = None,
    until: float = float("inf"),
    workers: int = 0,
) -> None:
    """Teach `readers` for `steps` in all or until the clock says `until`, on the device they are on.

    With `work`, go on from what is saved there. Other processes word the captions if there are `workers`.
    """
    parameters = [p for module in readers.modules() for p in module.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=PEAK_RATE, weight_decay=0.01, betas=(0.9, 0.98))
    pace, warm_up = stage.Pace(steps, until, is_last=True), min(WARM_UP, steps // 5 + 1)
    first = _resume(work, readers, optimizer) if work else 0
    lessons = Lessons(readers.tokenizer, batch, seed)
    parts = iter(DataLoader(lessons, batch_size=None, sampler=range(first, steps), num_workers=workers))
    for encoder in readers.encoders:
        encoder.set_attn_implementation("eager")  # on CPU its backward takes half as long as fused attention's
    start, running = time.monotonic(), 0.0
    for step in range(first, steps):
        if time.time() > until:
            break
        optimizer.param_groups[0]["lr"] = PEAK_RATE * min((step + 1) / warm_up, max(0.01, pace.left(step)))
        optimizer.zero_grad()
        value = sum(_learn(readers, ids, target) for ids, target in next(parts))
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        running = value if step == first else 0.98 * running + 0.02 * value
        if (step + 1) % 100 == 0:
            print(f"step {step + 1} of {steps}: loss {running:.3f}, {time.monotonic() - start:.0f} s", flush=True)
        if work and (step + 1) % SAVE_EVERY == 0:
            _checkpoint(work, step + 1, readers, optimizer)
    for encoder in readers.encoders:
        encoder.set_attn_implementation("sdpa")
    for module in readers.modules():
        module.eval().requires_grad_(False)


def accuracy(readers: Readers, split: str = "heldout", number: int = 2000, seed: int = 1_000_003) -> dict[str, float]:
    """The share of `split` captions read rightly: per attribute, per field of things said or denied, and entirely."""
    draw, rng = random.Random(seed), np.random.default_rng(seed)
    told = [random_told(draw) for _ in range(number)]
    target = labels(told)
    texts = [caption(one, rng, split, shares=SHARES) for one in told]
    read = torch.cat([readers.read(texts[k : k + 250]) for k in range(0, number, 250)])
    right = read == target
    names = list(QUESTIONS)
    result = {name: float(right[:, names.index(name)].float().mean()) for name in ATTRIBUTES}
    for field in ("presence", *_FIELDS):
        columns = [names.index(f"{kind} {field}") for kind in KINDS]
        said = target[:, columns] > 0
        result[field] = float(right[:, columns][said].float().mean())
    return result | {"all": float(right.all(dim=1).float().mean())}


def save(readers: Readers, work: Path) -> None:
    """Write the pipeline's folders and the heads under `work`."""
    readers.tokenizer.save_pretrained(work / "tokenizer")
    readers.encoders[0].save_pretrained(work / "text_encoder")
    readers.encoders[1].save_pretrained(work / "text_encoder_2")
    save_file(readers.heads.state_dict(), work / "reader.safetensors")


def load(work: Path) -> Readers:
    """What `save` wrote, ready to read."""
    heads = Reader()
    heads.load_state_dict(load_file(work / "reader.safetensors"))
    encoders = tuple(
        CLIPTextModelWithProjection.from_pretrained(work / name, dtype=torch.float32)
        for name in ("text_encoder", "text_encoder_2")
    )
    readers = Readers(CLIPTokenizer.from_pretrained(work / "tokenizer"), encoders, heads)
    for module in readers.modules():
        module.eval().requires_grad_(False)
    return readers


def _chunks(texts: list[str], told: list[Told]) -> list[tuple[list[str], list[Told]]]:
    """A batch in parts of similar length, so that little of it is padding."""
    order = sorted(range(len(texts)), key=lambda k: len(texts[k]))
    size = -(-len(texts) // CHUNKS)
    parts = [order[k : k + size] for k in range(0, len(order), size)]
    return [([texts[k] for k in part], [told[k] for k in part]) for part in parts]


def _learn(readers: Readers, ids: Tensor, target: Tensor) -> float:
    """Add a chunk's gradient; its loss as a share of the batch's."""
    ids, target = ids.to(readers.encoders[0].device), target.to(readers.encoders[0].device)
    with torch.autocast(ids.device.type, torch.bfloat16):
        from_states, from_pooled = readers.logits(ids)
    value = (loss(from_states, target) + loss(from_pooled, target)) / CHUNKS
    value.backward()
    return value.item()


def _random_thing(kind: str, draw: random.Random) -> Thing:
    count = 1 if kind in SINGLE | UNCOUNTED else draw.choices(range(1, MOST_OF_A_KIND + 1), (4, 3, 2, 2))[0]
    return Thing(kind, count, None if kind in UNCOLOURED else draw.choice(COLOURS), draw.choice(SIDES))


def _checkpoint(work: Path, step: int, readers: Readers, optimizer: torch.optim.Optimizer) -> None:
    save(readers, work)
    temporary = work / "training.new"
    torch.save({"step": step, "states": [optimizer.state_dict()]}, temporary)
    temporary.replace(work / "training.pt")


def _resume(work: Path, readers: Readers, optimizer: torch.optim.Optimizer) -> int:
    if not (work / "training.pt").exists():
        return 0
    kept, weights = torch.load(work / "training.pt", weights_only=True), load(work)
    for mine, theirs in zip(readers.modules(), weights.modules(), strict=True):
        mine.load_state_dict(theirs.state_dict())
    optimizer.load_state_dict(kept["states"][0])
    return kept["step"]


def main() -> None:
    """Train, save, and print the held-out accuracies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4500)
    arguments = parser.parse_args()
    begun = (arguments.work / "training.pt").exists()
    readers = new_readers(CLIPTokenizer.from_pretrained(arguments.work / "tokenizer") if begun else new_tokenizer())
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for module in readers.modules():
        module.to(device)
    start = time.monotonic()
    train(readers, arguments.steps, work=arguments.work)
    save(readers, arguments.work)
    print(f"trained in {time.monotonic() - start:.0f} s")
    for name, share in accuracy(readers).items():
        print(f"{name:10s} {100 * share:5.1f} %")


if __name__ == "__main__":
    main()
