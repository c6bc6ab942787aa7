"""What the page asks of the model: a session, pictures, their completion, many at once, and what words mean to it."""

import json
import os
import time
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from trajflow.assets import asset
from trajflow.base import Model, vocabulary_of
from trajflow.cache import PRESETS
from trajflow.engine import ZeroGPUModel
from trajflow.sampler import RemoteModel
from trajflow.ui import ablation, choices, sheet, variations, wire, words, work
from trajflow.ui.ask import read_ask
from trajflow.ui.library import told
from trajflow.ui.registry import Registry

# Sessions that a browser may know of, beside its tab's own.
MOST_KNOWN = 8


class Making:
    """Asking for pictures, over one model and its sessions."""

    def __init__(self, model: Model, registry: Registry) -> None:
        self._model = model
        self._registry = registry
        self._examples = json.loads(asset("examples.json").read_text())
        # Nobody's metered minutes go on pictures that were not asked for.
        self._may_work_ahead = not isinstance(model, RemoteModel) and "SPACE_ID" not in os.environ

    async def hello(self, request: Request) -> Response:
        """The page was opened: its session, new or as it was left."""
        given = await wire.read_json(request)
        key, others = given.get("session"), given.get("others")
        if key is None and isinstance(others, list):
            shown = [str(other) for other in others[:MOST_KNOWN]]
            key = await wire.in_thread(self._registry.left, shown)
        tab_session = await wire.in_thread(self._registry.open, key if isinstance(key, str) else None)
        defaults, known = self._model.defaults, vocabulary_of(self._model)
        return wire.answered(
            {
                "session": tab_session.key,
                "is_new": tab_session.key != key,
                "kept_days": self._registry.kept_days,
                "model": {
                    "name": self._model.name,
                    "steps": defaults.steps,
                    "guidance": defaults.guidance,
                    "width": defaults.width,
                    "height": defaults.height,
                    "size_multiple": defaults.size_multiple,
                    "largest_side": defaults.largest_side,
                    # A GPU that is lent costs its visitor; replicas cost the others, whose runs wait.
                    "is_lent": isinstance(self._model, ZeroGPUModel),
                    "is_shared": isinstance(self._model, RemoteModel),
                    "may_work_ahead": self._may_work_ahead,
                },
                "strategies": [{"name": name, "line": line} for line, name in choices.strategies()],
                "examples": self._examples,
                "tiers": {
                    name: [[t.least_similarity, t.resume_fraction] for t in table] for name, table in PRESETS.items()
                },
                "vocabulary": None if known is None else known.meanings,
                **await wire.in_thread(told, tab_session, self._model.defaults),
            }
        )

    async def run(self, request: Request) -> Response:
        """Make a picture; whatever the tab had under way ends within a step."""
        asked_at = time.monotonic()
        tab_session = wire.tab_of(request, self._registry)
        ask = read_ask(await wire.read_json(request), self._model.defaults)
        return wire.streamed(
            request, self._registry.desk, tab_session.key, partial(work.run, tab_session, ask, asked_at)
        )

    async def complete(self, request: Request) -> Response:
        """Make a picture exact in idle time, and then, if asked to, what is likely to be asked for next."""
        tab_session = wire.tab_of(request, self._registry)
        given = await wire.read_json(request)
        is_ahead = given.get("ahead") is True and self._may_work_ahead
        return wire.streamed(
            request,
            self._registry.desk,
            tab_session.key,
            partial(work.complete, tab_session, str(given.get("key")), is_ahead=is_ahead),
            is_background=True,
        )

    async def stop(self, request: Request) -> Response:
        """End what the tab has under way."""
        tab_session = wire.tab_of(request, self._registry)
        return wire.answered({"stopped": self._registry.desk.cancel(tab_session.key)})

    async def leave(self, request: Request) -> Response:
        """The tab was closed; a beacon cannot send headers, so the session is in the body."""
        self._registry.leave(str((await wire.read_json(request)).get("session")))
        return wire.answered({})

    async def sheet(self, request: Request) -> Response:
        """Make many pictures, or in the lab one in many ways."""
        tab_session = wire.tab_of(request, self._registry)
        given = await wire.read_json(request)
        asks = sheet.read_cells(given.get("cells"), lambda each: read_ask(each, self._model.defaults))
        work_of = partial(sheet.run, tab_session, asks, is_lab=given.get("lab") is True)
        return wire.streamed(request, self._registry.desk, tab_session.key, work_of)

    async def ablate(self, request: Request) -> Response:
        """Resume a picture with more and more of its state."""
        tab_session = wire.tab_of(request, self._registry)
        key = str((await wire.read_json(request)).get("key"))
        work_of = partial(ablation.ablate, tab_session.session, key)
        return wire.streamed(request, self._registry.desk, tab_session.key, work_of)

    async def expand(self, request: Request) -> Response:
        """The prompts that a template stands for."""
        wire.tab_of(request, self._registry)
        return wire.answered({"prompts": variations.expand(str((await wire.read_json(request)).get("template")))})

    async def words(self, request: Request) -> Response:
        """The words of a prompt that have no effect; a run goes first."""
        tab_session = wire.tab_of(request, self._registry)
        prompt = str((await wire.read_json(request)).get("prompt"))[: wire.LONGEST_PROMPT]
        work_of = partial(words.unheard, self._model, prompt)
        return wire.streamed(request, self._registry.desk, tab_session.key, work_of, supersedes=False)
