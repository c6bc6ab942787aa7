"""A session as one file: a zip of `session.json`, the pictures as PNG and the paths as safetensors; no pickle.

What is read is not trusted: names, numbers, sizes and shapes are checked against this model before anything is kept.
A path of another model, or of other weights, is left out while its picture stays.
"""

import io
import json
import math
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load, save

from trajflow.base import Cost, Metrics, NodeSchedule, Plan, Request, Result, SamplingPlan, Schedule, Trajectory
from trajflow.cache import CacheKey, Entry, SentenceEncoder
from trajflow.errors import RequestError
from trajflow.methods import METHODS
from trajflow.metrics import compare_images
from trajflow.session import Session
from trajflow.settings import Settings, resolve_request
from trajflow.ui import png
from trajflow.ui.ask import FIELDS
from trajflow.ui.registry import TabSession
from trajflow.ui.tree import LONGEST_NAME, Node

VERSION = 1
MOST_ENTRIES = 2000
MOST_TEXT = 16 * 2**20
KEY = re.compile(r"[0-9a-f]{32}")
KINDS = ("cached", "coasted", "computed", "reused")
REQUEST = (*FIELDS, "budget", "fidelity")
# What reading a file that is none of ours, or a damaged one, may end in.
DAMAGE = (
    AttributeError,
    EOFError,
    KeyError,
    OSError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    Image.DecompressionBombError,
    SafetensorError,
    zipfile.BadZipFile,
    zlib.error,
)


def write(tab_session: TabSession) -> bytes:
    """Everything the session holds."""
    buffer, told = io.BytesIO(), []
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for entry in reversed(tab_session.session.entries()):
            told.append(_told(entry, tab_session.tree.node(entry.key)))
            archive.writestr(f"pictures/{entry.key}.png", png.encode(entry.result.image))
            if entry.result.baseline is not None:
                archive.writestr(f"pictures/{entry.key}-exact.png", png.encode(entry.result.baseline))
            if entry.trajectory is not None:
                path = {"noise": entry.trajectory.noise, "velocities": entry.trajectory.velocities}
                tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in path.items()}
                archive.writestr(f"paths/{entry.key}.safetensors", save(tensors))
        about = {"version": VERSION, "model": tab_session.session.model.name, "entries": told}
        archive.writestr("session.json", json.dumps(about), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def read(tab_session: TabSession, data: bytes) -> tuple[int, int]:
    """Take a file's pictures into the session; how many, and how many of them with their paths.

    Raises RequestError for a file that is not one of ours, before anything of it is kept.
    """
    session = tab_session.session
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check(archive, session.capacity)
            told = _entries(json.loads(archive.read("session.json"), parse_constant=_refuse))
            found = [_entry(archive, session, each) for each in told]
    except RequestError:
        raise
    except DAMAGE as error:
        raise RequestError("This is not a session that trajflow has saved, or it is damaged.") from error
    held = {entry.key for entry in session.entries()}
    new = [(entry, node) for entry, node in found if entry.key not in held]
    needed, room = sum(entry.nbytes for entry, _ in new), session.capacity - session.nbytes
    if needed > room:
        raise RequestError(
            f"The session in this file takes {needed / 2**20:,.1f} MB, and there is room for {room / 2**20:,.1f}: "
            "delete pictures first, so that none has to give way unasked."
        )
    for entry, node in new:
        session.adopt(entry)
        tab_session.tree.put(node)
    return len(new), sum(entry.trajectory is not None for entry, _ in new)


def _check(archive: zipfile.ZipFile, capacity: int) -> None:
    """Refuse what could not be ours by its names and sizes."""
    infos = archive.infolist()
    names = {info.filename for info in infos}
    pattern = re.compile(r"session\.json|pictures/[0-9a-f]{32}(-exact)?\.png|paths/[0-9a-f]{32}\.safetensors")
    if len(infos) > 3 * MOST_ENTRIES or len(names) != len(infos) or "session.json" not in names:
        raise RequestError("This is not a session that trajflow has saved.")
    if not all(pattern.fullmatch(name) for name in names) or any(info.flag_bits & 1 for info in infos):
        raise RequestError("The file holds something that no session has; nothing of it was read.")
    if archive.getinfo("session.json").file_size > MOST_TEXT or sum(info.file_size for info in infos) > capacity:
        raise RequestError("The session in this file is larger than this one may be.")


def _refuse(constant: str) -> None:
    """NaN and Infinity, which Python reads and no browser does."""
    raise ValueError(constant)


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(number)
    return number


def _entries(about: Any) -> list[Mapping[str, Any]]:
    if not isinstance(about, dict) or about.get("version") != VERSION:
        raise RequestError(f"This session was saved by another version; this one reads version {VERSION}.")
    told = about["entries"]
    if not isinstance(told, list) or len(told) > MOST_ENTRIES or not all(isinstance(each, dict) for each in told):
        raise RequestError("This is not a session that trajflow has saved.")
    return told


def _told(entry: Entry, node: Node) -> dict[str, Any]:
    result, spent = entry.result, entry.result.baseline_cost
    return {
        "key": entry.key,
        "fingerprint": entry.cache_key.digest(),
        "created": entry.created,
        "request": {name: getattr(result.request, name) for name in REQUEST},
        "cost": [result.cost.nfe, result.cost.rows],
        "background": None if spent is None else [spent.nfe, spent.rows],
        "seconds": dict(result.seconds),
        "kinds": list(result.kinds),
        "is_final": result.is_final,
        "path_kinds": [] if entry.trajectory is None else list(entry.trajectory.kinds),
        "is_start_exact": entry.trajectory is None or entry.trajectory.is_start_exact,
        "angles": {str(k): angle for k, angle in result.angles.items()},
        "strategy": result.plan.strategy,
        "method": result.plan.sampling.method,
        "reason": result.plan.reason,
        "sources": list(result.plan.sources),
        "node": {
            "parent": node.parent,
            "name": node.name,
            "is_favourite": node.is_favourite,
            "is_pinned": node.is_pinned,
        },
    }


def _entry(archive: zipfile.ZipFile, session: Session, told: Mapping[str, Any]) -> tuple[Entry, Node]:
    """One entry, checked. Raises whatever a wrong one leads to."""
    key = _key(told["key"])
    request = Request(**{name: told["request"][name] for name in REQUEST})
    settings = resolve_request(request, session.model.defaults)
    model = session.model
    shape = model.latent_shape(settings.height, settings.width)
    schedule = model.schedule(settings.steps, shape)
    own = CacheKey.of(
        model.identity(), shape, schedule.sigmas, settings.guidance, settings.negative_prompt, settings.seed
    )
    image = _picture(archive, f"pictures/{key}.png", settings)
    exact = None
    if f"pictures/{key}-exact.png" in archive.namelist():
        exact = _picture(archive, f"pictures/{key}-exact.png", settings)
    is_own = told["fingerprint"] == own.digest()
    # What another model has made answers nothing here; its picture is still to be looked at.
    cache_key = own if is_own else replace(own, identity={"imported": str(told["fingerprint"])[:64]})
    is_there = is_own and f"paths/{key}.safetensors" in archive.namelist()
    path = _path(archive, key, settings, shape, schedule, told) if is_there else None
    if told["method"] not in METHODS:
        raise RequestError("A picture in this file was made by a method that is not known here.")
    sampling = SamplingPlan.transporting(told["method"], schedule, NodeSchedule(()), budget=settings.steps)
    sources = tuple(_key(source) for source in told["sources"][:16])
    plan = Plan(str(told["strategy"])[:40], str(told["reason"])[:500], sampling, sources)
    metrics: Metrics | None = None if exact is None else compare_images(image, exact)
    background = None if exact is None else Cost(*(_count(each) for each in told["background"]))
    result = Result(
        request, image, plan, Cost(*(_count(each) for each in told["cost"])),
        {str(name)[:20]: abs(_finite(value)) for name, value in told["seconds"].items()},
        _kinds(told["kinds"]), {int(k): _finite(angle) for k, angle in told["angles"].items()}, key,
        metrics=metrics, baseline=exact, baseline_cost=background, baseline_seconds=None if exact is None else {},
        # Files of before it was told do not say which pictures are previews.
        is_final=told.get("is_final", True) is True,
    )  # fmt: skip
    vector = SentenceEncoder(remembered=1).encode(settings.prompt)
    given = told["node"]
    parent = None if given["parent"] is None else _key(given["parent"])
    name = str(given["name"])[:LONGEST_NAME]
    node = Node(key, parent, name, given["is_favourite"] is True, given["is_pinned"] is True)
    return Entry(key, cache_key, result, path, vector, abs(_finite(told["created"]))), node


def _path(
    archive: zipfile.ZipFile,
    key: str,
    settings: Settings,
    shape: tuple[int, ...],
    schedule: Schedule,
    told: Mapping[str, Any],
) -> Trajectory:
    kinds = _kinds(told["path_kinds"])
    tensors = load(archive.read(f"paths/{key}.safetensors"))
    noise, velocities = tensors["noise"], tensors["velocities"]
    whole = (settings.steps, *noise.shape)
    if tuple(noise.shape) != tuple(shape) or tuple(velocities.shape) != whole or len(kinds) != settings.steps:
        raise RequestError("A path in this file does not fit its picture.")
    for tensor in (noise, velocities):
        if not tensor.is_floating_point() or not bool(torch.isfinite(tensor).all()):
            raise RequestError("A path in this file holds what is not a number.")
    # Files of before it was told may hold first velocities that were put together of two runs.
    is_start_exact = told.get("is_start_exact", set(kinds) == {"computed"}) is True
    return Trajectory(settings.prompt, schedule, noise, velocities, kinds, is_start_exact=is_start_exact)


def _picture(archive: zipfile.ZipFile, name: str, settings: Settings) -> Image.Image:
    with Image.open(io.BytesIO(archive.read(name)), formats=("PNG",)) as image:
        if image.size != (settings.width, settings.height):
            raise RequestError("A picture in this file does not have the size its settings say.")
        return image.convert("RGB")


def _key(value: Any) -> str:
    if not isinstance(value, str) or not KEY.fullmatch(value):
        raise RequestError("A picture in this file has no proper name.")
    return value


def _kinds(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list) or not all(kind in KINDS for kind in value):
        raise RequestError("A path in this file has steps of an unknown kind.")
    return tuple(value)


def _count(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < 10**9:
        raise RequestError("A count in this file is out of range.")
    return value
