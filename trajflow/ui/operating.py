"""What who runs the app asks it: whether it is alive, whether it takes more, and what it has counted."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trajflow.base import Model
from trajflow.ui import wire
from trajflow.ui.metrics import Metrics
from trajflow.ui.registry import Registry

TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Operating:
    """The routes that probes and Prometheus come to."""

    def __init__(self, model: Model, registry: Registry) -> None:
        self._model = model
        self._registry = registry
        self._metrics = Metrics(registry)
        registry.desk.watch(self._metrics.ended)

    async def alive(self, _: Request) -> Response:
        """The server answers."""
        return wire.answered({"status": "alive"})

    async def ready(self, _: Request) -> Response:
        """The model is loaded, which it is before the server begins, and the desk takes more; else 503.

        What does not work as it should, and stops nobody, is told beside.
        """
        desk = self._registry.desk
        is_ready = desk.is_ready
        told: dict[str, Any] = {
            "status": "ready" if is_ready else "busy",
            "model": self._model.name,
            "waiting": desk.waiting,
            "most_waiting": desk.most_waiting,
        }
        notes = await wire.in_thread(self._registry.notes)
        told |= {"notes": list(notes)} if notes else {}
        return JSONResponse(told, 200 if is_ready else 503, headers=wire.PRIVATE)

    async def metrics(self, _: Request) -> Response:
        """Everything counted so far."""
        return Response(await wire.in_thread(self._metrics.text), headers=wire.PRIVATE | {"Content-Type": TEXT})
