"""Giving back what closed tabs held, while the app runs, whether or not anybody comes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

from starlette.concurrency import run_in_threadpool

from trajflow.ui.registry import Registry

EVERY_SECONDS = 15.0


def upkeep(
    registry: Registry, every_seconds: float = EVERY_SECONDS
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """The lifespan of an app that sweeps its sessions now and then."""

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(_sweep(registry, every_seconds))
        try:
            yield
        finally:
            sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await sweeping

    return lifespan


async def _sweep(registry: Registry, every_seconds: float) -> None:
    while True:
        await asyncio.sleep(every_seconds)
        await run_in_threadpool(registry.sweep)
