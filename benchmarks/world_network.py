"""The network that reads a landscape: attributes of the whole picture, and for each kind of thing where it is and what.

Every kind has a map of where it is seen; what the network sees there, the place itself and the size of the map tell
how many there are (0 for none), in which colour and on which side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu


@dataclass(frozen=True)
class Classes:
    """The values in the order of their logits: of each attribute, and of each field of every kind; `colourless` kinds
    have a colour that means nothing."""

    attributes: Mapping[str, Sequence[str]]
    kinds: Sequence[str]
    fields: Mapping[str, Sequence[str | int]]
    colourless: Sequence[str] = ()


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


class Network(nn.Module):
    """Pictures [B, 3, H, W] in [-1, 1], sides divisible by 16, to logits; 1.1 M parameters."""

    def __init__(self, classes: Classes) -> None:
        super().__init__()
        self.classes = classes
        sizes = {name: len(values) for name, values in classes.fields.items()}
        kinds = len(classes.kinds)
        widths = (3, 24, 48, 96, 160)
        self.stages = nn.ModuleList()
        for number, (before, after) in enumerate(pairwise(widths)):
            layers: list[nn.Module] = [nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(8, after), nn.SiLU()]
            self.stages.append(nn.Sequential(*layers, *([_Residual(after)] if number >= 2 else [])))
        self.whole = nn.ModuleDict({name: nn.Linear(2 * widths[-1], len(v)) for name, v in classes.attributes.items()})
        self.fine, self.coarse = nn.Conv2d(widths[-2], 128, 1), nn.Conv2d(widths[-1], 128, 1)
        self.where = nn.Conv2d(128, kinds, 1)
        self.hidden = nn.Parameter(torch.randn(kinds, 128 + 3, 64) / 11.4)
        self.out = nn.Parameter(torch.randn(kinds, 64, sum(sizes.values())) / 8)

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
        """Logits by name: [B, classes] of attributes, [B, K, classes] of the fields of K kinds."""
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
        sizes = [len(values) for values in self.classes.fields.values()]
        return logits | dict(zip(self.classes.fields, told.split(sizes, dim=-1), strict=True))
