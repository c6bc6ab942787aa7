"""What must be kept of a run to resume it: one picture resumed at its middle with more and more of its state.

From x_m of a run on the grid sigma_0 .. sigma_N, with v(x, sigma) asked of the network:

    picture:  x = sigma_m e' + (1 - sigma_m) x_N with other noise e', then the run's own grid
    latents:  x = x_m, then a grid of N - m steps begun anew, which takes x_m for noise
    state:    x = x_m, then the run's own grid from sigma_m: the same picture bit for bit
"""

from collections.abc import Iterator

from torch import Tensor

from trajflow.base import Schedule, Trajectory
from trajflow.cache.entry import on_device
from trajflow.errors import RequestError
from trajflow.field import Field, euler_step, latents_at
from trajflow.metrics import compare_images
from trajflow.sampler import RemoteModel
from trajflow.session import Session
from trajflow.settings import resolve_request
from trajflow.ui import png
from trajflow.ui.account import Made
from trajflow.ui.desk import TURN, Event


def ablate(session: Session, key: str) -> Iterator[Event]:
    """Tell one `kept` event for each state; nothing is stored. Raises RequestError where there is no exact path."""
    entry = next((entry for entry in session.entries() if entry.key == key), None)
    if entry is None or entry.trajectory is None or not entry.is_true or isinstance(session.model, RemoteModel):
        raise RequestError("This needs a picture that is exact, with its path.")
    model = session.model
    # It may wait in the host's memory, or have come from a file.
    path = on_device(entry.in_memory(), model.device).trajectory
    assert path is not None
    settings = resolve_request(entry.result.request, model.defaults)
    steps, shape = path.schedule.steps, model.latent_shape(settings.height, settings.width)
    middle = steps // 2
    if not middle:
        raise RequestError("A run of one step has no middle to resume it at.")
    conditioning = model.encode(settings.prompt, settings.negative_prompt, settings.guidance)
    exact, there = model.decode(latents_at(path, steps)), latents_at(path, middle)
    for kept, begin, grid, first in (
        ("picture", _noised(path, middle, model.noise(settings.seed + 1, shape)), path.schedule, middle),
        ("latents", there, model.schedule(steps - middle, shape), 0),
        ("state", there, path.schedule, middle),
    ):
        x = begin
        field = Field(model, conditioning, grid, path.noise, steps - middle)
        for k in range(first, grid.steps):
            x = euler_step(x, field.evaluate(x, k), grid.sigmas[k], grid.sigmas[k + 1])
            yield TURN
        image = model.decode(x)
        near = compare_images(image, exact)
        yield {"type": "made", "made": Made("ablation", field.nfe, 0, field.nfe, {})}
        yield {
            "type": "kept",
            "kept": kept,
            "image": png.data_uri(image),
            "spent": field.nfe,
            "psnr_db": round(near.psnr_db, 2),
            "identical": near.identical,
        }


def _noised(path: Trajectory, step: int, noise: Tensor) -> Tensor:
    """The finished latents with other noise, as far as the run's grid is at that step."""
    schedule: Schedule = path.schedule
    share = schedule.sigmas[step].to(noise.dtype)
    return share * noise.to(path.noise) + (1 - share) * latents_at(path, schedule.steps)
