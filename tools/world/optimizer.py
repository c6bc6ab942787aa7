"""One optimizer for every stage: Muon for matrices, convolution kernels among them, and AdamW for all else.

Muon orthogonalises the step of a matrix; a kernel [O, I, h, w] is the matrix [O, h w I], a view of the same memory when
the kernel is kept channels last. On two cores this reaches in 130 batches of an autoencoder what AdamW needs 1,700 for.

Processes that train one model share Muon's work: each steps every other matrix and tells the rest what became of them.
For half-size samples, orthogonalising took more than a third of a step before.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from tools.world import together

# The share of a stage over which the learning rate falls to nothing.
COOLDOWN = 0.25


class Optimizer:
    """Steps the parameters of `module` that ask for gradients; `by_muon(name)` says which matrices Muon takes."""

    def __init__(
        self, module: nn.Module, muon: float, adamw: float, by_muon: Callable[[str], bool] = lambda name: True
    ) -> None:
        self.parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        named = [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]
        taken = {name for name, parameter in named if parameter.ndim in (2, 4) and by_muon(name)}
        self.matrices = [(parameter, _matrix(parameter)) for name, parameter in named if name in taken]
        # Large ones first, so that all processes get about as much.
        self.matrices.sort(key=lambda pair: -pair[1].numel())
        others = [parameter for name, parameter in named if name not in taken]
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(
                [matrix for _, matrix in self._own()], lr=muon, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
            ),
            torch.optim.AdamW(others, lr=adamw, weight_decay=0.0, betas=(0.9, 0.99)),
        ]
        self.peaks = (muon, adamw)

    def step(self, factor: float, clip: float = 1.0) -> float:
        """One step at `factor` times the full rates, gradients clipped to the norm `clip`; returns their norm."""
        norm = nn.utils.clip_grad_norm_(self.parameters, clip)
        for parameter, matrix in self._own():
            matrix.grad = _as_matrix(_gradient(parameter)).contiguous()
        for optimizer, peak in zip(self.optimizers, self.peaks, strict=True):
            optimizer.param_groups[0]["lr"] = factor * peak
            optimizer.step()
        together.tell([matrix.data for _, matrix in self.matrices])
        for parameter in self.parameters:
            parameter.grad = None
        return float(norm)

    def state_dict(self) -> dict:
        """The states of both optimizers, whole; processes that train together ask for it together."""
        muon, adamw = (optimizer.state_dict() for optimizer in self.optimizers)
        if muon["state"]:
            own = iter(muon["state"].values())
            momenta = [
                next(own)["momentum_buffer"] if self._is_own(number) else torch.empty_like(matrix)
                for number, (_, matrix) in enumerate(self.matrices)
            ]
            together.tell(momenta)
            muon["state"] = {number: {"momentum_buffer": momentum} for number, momentum in enumerate(momenta)}
        muon["param_groups"][0]["params"] = list(range(len(self.matrices)))
        return {"0": muon, "1": adamw}

    def load_state_dict(self, state: dict) -> None:
        """Go on from a state of `state_dict`, with as many processes as there are now."""
        muon, adamw = state["0"], state["1"]
        own = [one for number, one in muon["state"].items() if self._is_own(number)]
        group = muon["param_groups"][0] | {"params": list(range(len(self._own())))}
        self.optimizers[0].load_state_dict({"state": dict(enumerate(own)), "param_groups": [group]})
        self.optimizers[1].load_state_dict(adamw)

    def _own(self) -> list[tuple[nn.Parameter, nn.Parameter]]:
        """The matrices that this process steps."""
        return [pair for number, pair in enumerate(self.matrices) if self._is_own(number)]

    def _is_own(self, number: int) -> bool:
        return together.owner(number) == together.place()


def rate_factor(step: int, steps: int, warmup: int = 100, cooldown: float = COOLDOWN) -> float:
    """Linear warm-up, a plateau at 1, a linear fall to 0 over the last share `cooldown` of `steps`."""
    return max(0.0, min(1.0, (step + 1) / warmup, (steps - step) / (cooldown * steps)))


@torch.no_grad()
def follow(average: nn.Module, module: nn.Module, step: int, decay: float) -> None:
    """Move the running average of weights towards `module`; early on it forgets faster, as 9 / (step + 10)."""
    share = 1 - min(decay, (step + 1) / (step + 10))
    torch._foreach_lerp_(_tensors(average.parameters()), _tensors(module.parameters()), share)


def _tensors(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    return [parameter.data for parameter in parameters]


def _as_matrix(tensor: Tensor) -> Tensor:
    return tensor if tensor.ndim == 2 else tensor.permute(0, 2, 3, 1).flatten(1)


def _matrix(parameter: nn.Parameter) -> nn.Parameter:
    """The parameter's own memory as a matrix; a kernel is first laid out channels last."""
    if parameter.ndim == 4:
        parameter.data = parameter.data.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    matrix = nn.Parameter(_as_matrix(parameter.data))
    assert matrix.data_ptr() == parameter.data_ptr()
    return matrix


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
