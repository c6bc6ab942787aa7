"""A judge that sees: a small network, trained on renders alone, reads a picture's scene back.

It reads subject, time, weather, season and style from the whole picture, and for each kind of thing how many there are
(0 for none), in which colour and on which side. Its early layers are what the autoencoder is held to beside pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, silu

from tools.world import stage
from tools.world.optimizer import Optimizer
from tools.world.pictures import Album
from tools.world.scene import ATTRIBUTES, COLOURS, KINDS, MOST_OBJECTS, MOST_OF_A_KIND, SIDES

_COUNTS = MOST_OF_A_KIND + 1
_PER_KIND = {"count": _COUNTS, "colour": len(COLOURS), "side": len(SIDES)}
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


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for _ in range(2))
        self.convolutions = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            y = convolution(silu(norm(y)))
        return x + y


class Judge(nn.Module):
    """Pictures [B, 3, H, W] in [-1, 1], sides divisible by 16, to logits; 1.1 M parameters."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 24, 48, 96, 160)
        self.stages = nn.ModuleList()
        for number, (before, after) in enumerate(pairwise(widths)):
            layers: list[nn.Module] = [nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(8, after), nn.SiLU()]
            self.stages.append(nn.Sequential(*layers, *([_Residual(after)] if number >= 2 else [])))
        self.whole = nn.ModuleDict({name: nn.Linear(2 * widths[-1], len(v)) for name, v in ATTRIBUTES.items()})
        self.fine, self.coarse = nn.Conv2d(widths[-2], 128, 1), nn.Conv2d(widths[-1], 128, 1)
        self.where = nn.Conv2d(128, len(KINDS), 1)
        self.hidden = nn.Parameter(torch.randn(len(KINDS), 128 + 3, 64) / 11.4)
        self.out = nn.Parameter(torch.randn(len(KINDS), 64, sum(_PER_KIND.values())) / 8)

    def features(self, images: Tensor) -> list[Tensor]:
        """What each stage sees: [B, 24, H/2, W/2], [B, 48, H/4, W/4], [B, 96, H/8, W/8], [B, 160, H/16, W/16]."""
        seen = []
        for part in self.stages:
            images = part(images)
            seen.append(images)
        return seen

    def embed(self, images: Tensor) -> Tensor:
        """The last stage averaged over the picture, [B, 160]: the space of the Frechet distance."""
        return self.features(images)[-1].mean(dim=(2, 3))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Logits as `labels_of` names them: [B, classes] of attributes, [B, K, classes] of the kinds."""
        *_, fine, coarse = self.features(images)
        pooled = torch.cat([coarse.mean(dim=(2, 3)), coarse.amax(dim=(2, 3))], dim=1)
        logits = {name: head(pooled) for name, head in self.whole.items()}
        seen = silu(self.fine(fine) + interpolate(self.coarse(coarse), scale_factor=2.0, mode="nearest"))
        height, width = seen.shape[-2:]
        maps = self.where(seen).flatten(2).float()
        attention = maps.softmax(dim=-1)
        places = torch.cartesian_prod(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width)).to(maps)
        read = torch.cat(
            [
                torch.einsum("bkn,bcn->bkc", attention, seen.flatten(2).float()),
                attention @ places,
                maps.sigmoid().sum(dim=-1, keepdim=True) / 8,
            ],
            dim=-1,
        )
        told = torch.einsum("bkh,kho->bko", silu(torch.einsum("bkc,kch->bkh", read, self.hidden)), self.out)
        return logits | dict(zip(_PER_KIND, told.split(list(_PER_KIND.values()), dim=-1), strict=True))


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
