"""Two processes that train one model go the way of one process with both of their samples."""

import time

import torch
import torch.distributed as dist
import torch.multiprocessing as processes

from tools.world import stage, together

STEPS = 3


def train(rank, address, folder):
    """Steps down (w - sample)^2, each process with a sample of its own; the first process's clock ends it."""
    dist.init_process_group("gloo", init_method=f"file://{address}", rank=rank, world_size=2)
    weight = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(weight.weight)
    taken = []

    def step(number):
        loss = (weight.weight - (rank + 1) * (number + 1)).square().sum()
        loss.backward()
        together.average([weight.weight.grad])
        with torch.no_grad():
            weight.weight -= 0.25 * weight.weight.grad
        weight.weight.grad = None
        taken.append(number)
        if rank == 0 and len(taken) == STEPS:
            pace.until = 0.0
        return {"loss": loss.item()}

    pace = _Pace(steps=100, until=time.time() + (600 if rank == 0 else -600))
    stage.run("test", step, pace, folder / f"{rank}" / "weights.pt", {"weight": weight}, torch.device("cpu"))
    assert taken == list(range(STEPS))
    dist.destroy_process_group()


class _Pace(stage.Pace):
    """A pace whose end may be moved."""

    __setattr__ = object.__setattr__


def test_both_take_the_step_of_the_mean_and_one_keeps_it(tmp_path):
    processes.spawn(train, (tmp_path / "address", tmp_path), nprocs=2)
    assert not (tmp_path / "1").exists()
    weight = 0.0
    for number in range(STEPS):
        weight -= 0.5 * (weight - 1.5 * (number + 1))
    kept = torch.load(tmp_path / "0" / "weights.pt", weights_only=True)
    assert kept["step"] == STEPS
    torch.testing.assert_close(kept["weight"]["weight"].item(), weight)


def test_one_process_is_left_as_it_is():
    gradient = torch.tensor([1.0, 2.0])
    together.average([gradient])
    assert gradient.tolist() == [1.0, 2.0]
    assert together.agree(True)
    assert not together.agree(False)
