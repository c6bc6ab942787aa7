"""A judge that sees: a small network, trained on renders alone, reads a picture's scene back.

It reads subject, time, weather, season and style from the whole picture, and for each kind of thing how many there are
(0 for none), in which colour and on which side. Its early layers are what the autoencoder is held to beside pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks.world_network import Classes, Network
from tools.world import stage
from tools.world.optimizer import Optimizer
from tools.world.pictures import Album
from tools.world.scene import ATTRIBUTES, COLOURS, KINDS, MOST_OBJECTS, MOST_OF_A_KIND, SIDES, UNCOLOURED

_FIELDS = {"count": tuple(range(MOST_OF_A_KIND + 1)), "colour": COLOURS, "side": SIDES}
CLASSES = Classes(ATTRIBUTES, KINDS, _FIELDS, tuple(kind for kind in KINDS if kind in UNCOLOURED))
_UNKNOWN = -1


def labels_of(codes: Tensor) -> dict[str, Tensor]:
    """Codes [B, WIDTH] as class numbers: [B] for each attribute, [B, K] for count, colour and side of the kinds.

    -1 stands where there is nothing to read: the colour and side of what is absent, the colour of the uncoloured.
    """
    labels = {name: codes[:, number] for number, name in enumerate(ATTRIBUTES)}
    things = codes[:, len(ATTRIBUTES) :].view(len(codes), MOST_OBJECTS, 4)
    counts = torch.zeros(len(codes), len(KINDS) + 1, dtype=torch.int64)
    colours, sides = torch.full_like(counts, _UNKNOWN), torch.full_like(counts, _UNKNOWN)
    # Empty places write into a last column that is cut off again.
    kinds = torch.where(things[..., 0] < 0, len(KINDS), things[..., 0])
    for target, number in ((counts, 1), (colours, 2), (sides, 3)):
        target.scatter_(1, kinds, things[..., number])
    return labels | {"count": counts[:, :-1], "colour": colours[:, :-1], "side": sides[:, :-1]}


class Judge(Network):
    """The network that reads this world."""

    def __init__(self) -> None:
        super().__init__(CLASSES)


def judge_loss(logits: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> Tensor:
    """Cross-entropies, summed; colour and side averaged over what there is to read, counts added over all kinds."""
    losses = []
    for name, values in logits.items():
        target = labels[name].to(values.device)
        if name in ATTRIBUTES:
            losses.append(cross_entropy(values.float(), target))
        else:
            weight = len(KINDS) if name == "count" else 1
            total = cross_entropy(
                values.flatten(0, 1).float(), target.flatten(), ignore_index=_UNKNOWN, reduction="sum"
            )
            losses.append(weight * total / (target != _UNKNOWN).sum().clamp(min=1))
    return torch.stack(losses).sum()


@torch.no_grad()
def accuracy(judge: Judge, images: Tensor, codes: Tensor) -> dict[str, float]:
    """Share read as told: of pictures for attributes, of kinds present for the rest; `absent` of kinds not there."""
    read, labels = judge(images), labels_of(codes)
    shares = {}
    for name, logits in read.items():
        right = logits.argmax(-1).cpu() == labels[name]
        if name in ATTRIBUTES:
            shares[name] = right.float().mean()
        elif name == "count":
            present = labels["count"] > 0
            shares["present"] = ((logits.argmax(-1).cpu() > 0) & present).sum() / present.sum()
            shares["absent"] = (right & ~present).sum() / (~present).sum()
            shares["count"] = (right & present).sum() / present.sum()
        else:
            known = labels[name] != _UNKNOWN
            shares[name] = (right & known).sum() / known.sum()
    return {name: round(float(share), 4) for name, share in shares.items()}


@dataclass(frozen=True)
class JudgeRecipe:
    """How long the judge learns: steps and pictures a step."""

    steps: int = 3000
    batch: int = 24


def train_judge(
    album: Album,
    folder: Path,
    recipe: JudgeRecipe,
    device: torch.device,
    until: float = float("inf"),
    is_last: bool = False,
    seed: int = 5,
) -> Judge | None:
    """The judge, trained on or read back from `folder`; None when time ran out before."""
    torch.manual_seed(seed)
    judge = Judge().to(device, memory_format=torch.channels_last)
    optimizer = Optimizer(judge, muon=2e-3, adamw=1e-3)
    pace = stage.Pace(recipe.steps, until, is_last)

    def take_step(step: int) -> dict[str, float]:
        rng, generator = stage.randomness(seed, step)
        if step % 50 == 0:
            album.refresh()
        batch = album.batch(recipe.batch, rng, device=device)
        noise = torch.Generator(device).manual_seed(generator.initial_seed())
        images = batch.images + 0.02 * torch.randn(batch.images.shape, generator=noise, device=device)
        with torch.autocast(device.type, torch.bfloat16):
            logits = judge(images.contiguous(memory_format=torch.channels_last))
        loss = judge_loss(logits, labels_of(batch.codes))
        loss.backward()
        optimizer.step(pace.factor(step))
        return {"loss": loss.item()}

    parts = {"judge": judge, "optimizer": optimizer}
    finished = stage.run("judge", take_step, pace, folder / "judge.pt", parts, device)
    return judge.eval().requires_grad_(False) if finished else None


def read_judge(folder: Path) -> Judge:
    """The judge as far as it was trained in `folder`, on the CPU."""
    judge = Judge()
    judge.load_state_dict(torch.load(folder / "judge.pt", map_location="cpu", weights_only=True)["judge"])
    return judge.eval().requires_grad_(False)
