"""Two processes that train one model go the way of one process with both of their samples."""

import time

import torch
import torch.distributed as dist
import torch.multiprocessing as processes

from tools.world import stage, together
from tools.world.optimizer import Optimizer

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


def new_network():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3), torch.nn.Flatten(), torch.nn.Linear(16, 6), torch.nn.Linear(6, 1)
    )


def descend(network, optimizer, steps, scale):
    """Steps down a loss that differs from step to step, and by `scale` from process to process."""
    for step in steps:
        inputs = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(step))
        (scale * network(inputs)).sum().backward()
        together.average([parameter.grad for parameter in optimizer.parameters])
        optimizer.step(1.0)


def share(rank, address, folder):
    """Both processes step one network, and the first keeps it with the optimizer's state."""
    dist.init_process_group("gloo", init_method=f"file://{address}", rank=rank, world_size=2)
    network = new_network()
    optimizer = Optimizer(network, 0.02, 0.01)
    assert 0 < len(optimizer.optimizers[0].param_groups[0]["params"]) < len(optimizer.matrices)
    descend(network, optimizer, range(2), 1.0 + rank)
    state = optimizer.state_dict()
    if rank == 0:
        torch.save({"network": network.state_dict(), "optimizer": state}, folder / "half.pt")
    optimizer.load_state_dict(state)
    descend(network, optimizer, range(2, 4), 1.0 + rank)
    torch.save(network.state_dict(), folder / f"{rank}.pt")
    dist.destroy_process_group()


def test_shared_orthogonalisation_steps_as_one_process_does_and_goes_on_in_one(tmp_path):
    processes.spawn(share, (tmp_path / "address", tmp_path), nprocs=2)
    alone = new_network()
    optimizer = Optimizer(alone, 0.02, 0.01)
    descend(alone, optimizer, range(4), 1.5)
    for rank in range(2):
        torch.testing.assert_close(torch.load(tmp_path / f"{rank}.pt", weights_only=True), alone.state_dict())
    kept = torch.load(tmp_path / "half.pt", weights_only=True)
    resumed = new_network()
    optimizer = Optimizer(resumed, 0.02, 0.01)
    resumed.load_state_dict(kept["network"])
    optimizer.load_state_dict(kept["optimizer"])
    descend(resumed, optimizer, range(2, 4), 1.5)
    torch.testing.assert_close(resumed.state_dict(), alone.state_dict())


def test_one_process_is_left_as_it_is():
    gradient = torch.tensor([1.0, 2.0])
    together.average([gradient])
    assert gradient.tolist() == [1.0, 2.0]
    assert together.agree(True)
    assert not together.agree(False)
