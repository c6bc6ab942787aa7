"""Adapters whose network is asked about one branch at a time: the prompt's, and a negative one where it guides."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from trajflow.base import Conditioning, Point
from trajflow.models.adapter import Adapter, Calls
from trajflow.models.packing import unpack


class BranchAdapter(Adapter):
    """One row a branch. A conditioning holds "text states" and so on, and "negative states" where that one counts."""

    @abstractmethod
    def against(self, negative_prompt: str, guidance: float) -> str | None:
        """The prompt to guide away from; None where nothing is. May raise RequestError."""

    @abstractmethod
    def encode_one(self, prompt: str) -> dict[str, Tensor]:
        """Its token `states` [1, T, D] and whatever goes with them."""

    @abstractmethod
    def inputs(self, x: Tensor, told: dict[str, Tensor], guidance: Tensor) -> dict[str, Any]:
        """What the network is asked at x besides the states and the time; `guidance` [1] for where it hears it."""

    def combine(self, text: Tensor, negative: Tensor, guidance: float) -> Tensor:
        """g = n + s (t - n), in tokens."""
        return negative + guidance * (text - negative)

    def unpack(self, tokens: Tensor, x: Tensor) -> Tensor:
        """The network's answer in the shape of x, contiguous."""
        return unpack(tokens, *x.shape[-2:])

    def encode_text(self, prompt: str, negative_prompt: str, guidance: float) -> dict[str, Tensor]:
        """Each branch's tensors under its name."""
        negative = self.against(negative_prompt, guidance)
        told = {"text": prompt} if negative is None else {"text": prompt, "negative": negative}
        return {f"{kind} {name}": each for kind, text in told.items() for name, each in self.encode_one(text).items()}

    def guide(
        self, x: Tensor, point: Point, conditioning: Conditioning, calls: Calls
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The prompt's answer, or both of them combined."""
        text = self._ask(x, point, conditioning, "text", calls)
        if "negative states" not in conditioning.tensors:
            velocity = self.unpack(text, x)
            return velocity, {"text": velocity}
        negative = self._ask(x, point, conditioning, "negative", calls)
        guided = self.combine(text, negative, conditioning.guidance)
        return self.unpack(guided, x), {"negative": self.unpack(negative, x), "text": self.unpack(text, x)}

    def _ask(self, x: Tensor, point: Point, conditioning: Conditioning, kind: str, calls: Calls) -> Tensor:
        """The network's answer in tokens [1, L, C]."""
        told = {
            name.removeprefix(f"{kind} "): each
            for name, each in conditioning.tensors.items()
            if name.startswith(f"{kind} ")
        }
        guidance = torch.full([1], conditioning.guidance, device=x.device, dtype=torch.float32)
        return calls(kind)(
            **self.inputs(x, told, guidance),
            timestep=point.timestep.expand(1).to(x.dtype) / 1000,
            encoder_hidden_states=told["states"],
            return_dict=False,
        )[0]
