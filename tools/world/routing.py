"""While training, half of the image tokens of a picture go around the middle blocks (TREAD, arXiv:2501.04765).

A step then takes less time, and what the middle blocks make of the tokens they see has to serve those that they do not.
A finished model sends all of them through all blocks, so the last steps of a training do too.
"""

import torch
from diffusers import SD3Transformer2DModel
from torch import Tensor, nn

FIRST, LAST = 2, 6
SHARE = 0.5


class Routing:
    """Sends the image tokens that `keep` names through blocks number `FIRST` to `LAST` of `transformer`, the others
    around them.
    """

    def __init__(self, transformer: SD3Transformer2DModel) -> None:
        blocks = transformer.transformer_blocks
        last = min(LAST, len(blocks) - 2)
        blocks[min(FIRST, last)].register_forward_pre_hook(self._part, with_kwargs=True)
        blocks[last].register_forward_hook(self._join)
        self._kept: Tensor | None = None
        self._all: Tensor | None = None

    def keep(self, kept: Tensor | None) -> None:
        """From now on the tokens at places [B, n]; all of them for None."""
        self._kept = None if kept is None else kept[..., None]

    def _part(self, block: nn.Module, arguments: tuple, given: dict) -> tuple[tuple, dict] | None:
        if self._kept is None:
            return None
        self._all = given["hidden_states"]
        places = self._kept.expand(-1, -1, self._all.shape[-1])
        return arguments, {**given, "hidden_states": self._all.gather(1, places)}

    def _join(
        self, block: nn.Module, arguments: tuple, output: tuple[Tensor | None, Tensor]
    ) -> tuple[Tensor | None, Tensor] | None:
        if self._kept is None:
            return None
        text, image = output
        joined = self._all.scatter(1, self._kept.expand_as(image), image.to(self._all.dtype))
        self._all = None
        return text, joined


def draw(batch: int, tokens: int, generator: torch.Generator) -> Tensor:
    """Places [B, n] of the tokens that are kept, of each picture others."""
    return torch.rand(batch, tokens, generator=generator).argsort(1)[:, : round(SHARE * tokens)]
