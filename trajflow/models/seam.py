"""Where a transformer can be opened: what its blocks add is kept at one step and put back at another.

Level `stack`: r = (tokens after all blocks) - (tokens after the patch embedding); a reused step takes embed(x) + r
through the fresh final norm and projection (arXiv:2606.13496). Level `blocks`: what attention and feed-forward of every
block return; a reused step runs everything else of each block anew (arXiv:2407.01425). Nothing is installed: a call
goes to a shallow twin of the network that shares its weights, in which single parts are replaced, so the network itself
stays as it is.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from trajflow.base import Level, Residual

Call = Callable[..., Any]
# What belongs to the instance itself, not to its parts: calls that something else took over.
TAKEN_OVER = ("forward", "_old_forward", "_hf_hook", "_compiled_call_impl")


@dataclass(frozen=True)
class Seam:
    """Names of a transformer's parts: the patch `embedding`, the `stacks` of blocks, the `final_norm`, and within a
    block the `parts` whose outputs can be put back, as far as a block has them."""

    embedding: str
    stacks: tuple[str, ...]
    final_norm: str
    parts: tuple[str, ...]

    def blocks(self, network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
        """Every block with its name."""
        for stack in self.stacks:
            for i, block in enumerate(getattr(network, stack)):
                yield f"{stack}.{i}", block

    def with_blocks(self, network: nn.Module, blocks: Mapping[str, nn.Module]) -> nn.Module:
        """A twin of the network with these blocks, by name; none of the others."""
        lists = {
            stack: nn.ModuleList([block for name, block in blocks.items() if name.rpartition(".")[0] == stack])
            for stack in self.stacks
        }
        return twin(network, lists)

    def parts_of(self, block: nn.Module) -> dict[str, nn.Module]:
        """The parts of a block that can be put back."""
        return {part: child for part in self.parts if (child := getattr(block, part, None)) is not None}


def twin(module: nn.Module, parts: Mapping[str, nn.Module]) -> nn.Module:
    """A module that shares everything with `module` but the given direct parts."""
    other = copy.copy(module)
    other.__dict__ = {key: value for key, value in module.__dict__.items() if key not in TAKEN_OVER}
    other.__dict__["_modules"] = {**module._modules, **parts}
    return other


def prepared(network: nn.Module) -> nn.Module:
    """The network on the device it is to run on, where its weights wait elsewhere; itself, where torch.compile has put
    another around it."""
    network = getattr(network, "_orig_mod", network)
    hook = getattr(network, "_hf_hook", None)
    if hook is not None:
        hook.pre_forward(network)
    return network


class RecordingCall:
    """Calls go through the network as usual, and `residual` holds what they leave at that level."""

    def __init__(self, network: nn.Module, seam: Seam, level: Level) -> None:
        self.residual: dict[str, Tensor] = {}
        self._network = network
        self._seam = seam
        self._level = level

    def knows(self, call: str) -> bool:
        """Every call is answered."""
        return True

    def __call__(self, call: str) -> Call:
        """The network; each answer is what it would be without keeping, bit for bit."""

        def ask(**inputs: Any) -> Any:
            network = prepared(self._network)
            answer, kept = (self._through_stack if self._level == "stack" else self._through_blocks)(network, inputs)
            self.residual |= {f"{call}/{name}": tensor for name, tensor in kept.items()}
            return answer

        return ask

    def _through_stack(self, network: nn.Module, inputs: dict[str, Any]) -> tuple[Any, dict[str, Tensor]]:
        seam = self._seam
        embedding, norm = _Output(getattr(network, seam.embedding)), _Input(getattr(network, seam.final_norm))
        answer = twin(network, {seam.embedding: embedding, seam.final_norm: norm})(**inputs)
        return answer, {"stack": norm.seen - embedding.seen}

    def _through_blocks(self, network: nn.Module, inputs: dict[str, Any]) -> tuple[Any, dict[str, Tensor]]:
        taps: dict[str, _Output] = {}
        blocks = {}
        for name, block in self._seam.blocks(network):
            tapped = {part: _Output(child) for part, child in self._seam.parts_of(block).items()}
            taps |= {f"{name}.{part}": tap for part, tap in tapped.items()}
            blocks[name] = twin(block, tapped)
        answer = self._seam.with_blocks(network, blocks)(**inputs)
        kept: dict[str, Tensor] = {}
        for name, tap in taps.items():
            if isinstance(tap.seen, Tensor):
                kept[name] = tap.seen
            elif tap.seen is not None:
                kept |= {f"{name}.{i}": each for i, each in enumerate(tap.seen) if each is not None}
        return answer, kept


class ReplayCall:
    """Calls skip what the residual stands for."""

    def __init__(self, network: nn.Module, seam: Seam, residual: Residual) -> None:
        self._network = network
        self._seam = seam
        self._kept = residual

    def knows(self, call: str) -> bool:
        """Whether something was kept from the call of that name."""
        return any(name.startswith(f"{call}/") for name in self._kept)

    def __call__(self, call: str) -> Call:
        """The network with the residual of that call in the place of what it stands for."""
        kept = {name.partition("/")[2]: each for name, each in self._kept.items() if name.startswith(f"{call}/")}

        def ask(**inputs: Any) -> Any:
            network, seam = prepared(self._network), self._seam
            if "stack" in kept:
                norm = _Shifted(getattr(network, seam.final_norm), kept["stack"])
                return twin(seam.with_blocks(network, {}), {seam.final_norm: norm})(**inputs)
            blocks = {
                name: twin(block, {part: _Replay(kept, f"{name}.{part}") for part in seam.parts_of(block)})
                for name, block in seam.blocks(network)
            }
            return seam.with_blocks(network, blocks)(**inputs)

        return ask


class _Output(nn.Module):
    """A part whose output is kept."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part
        self.seen: Any = None

    def forward(self, *inputs: Any, **named: Any) -> Any:
        self.seen = self.part(*inputs, **named)
        return self.seen


class _Input(nn.Module):
    """A part whose first input is kept."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part
        self.seen: Any = None

    def forward(self, tokens: Tensor, *inputs: Any, **named: Any) -> Any:
        self.seen = tokens
        return self.part(tokens, *inputs, **named)


class _Shifted(nn.Module):
    """A part whose first input is moved by a constant."""

    def __init__(self, part: nn.Module, shift: Tensor) -> None:
        super().__init__()
        self.part = part
        self._shift = shift

    def forward(self, tokens: Tensor, *inputs: Any, **named: Any) -> Any:
        return self.part(tokens + self._shift, *inputs, **named)


class _Replay(nn.Module):
    """Answers what was kept under a name; several outputs are kept as name.0, name.1 and so on."""

    def __init__(self, kept: Mapping[str, Tensor], name: str) -> None:
        super().__init__()
        self._single = kept.get(name)
        self._several = tuple(each for key, each in kept.items() if key.rpartition(".")[0] == name)

    def forward(self, *_: Any, **__: Any) -> Any:
        return self._single if self._single is not None else self._several
