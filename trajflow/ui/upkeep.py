"""Giving back what closed tabs held, and what was kept long enough, whether or not anybody comes."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

from starlette.concurrency import run_in_threadpool

from trajflow.ui.registry import Registry

EVERY_SECONDS = 15.0
# What is kept on the disk, which is kept for days.
TIDY_SECONDS = 1800.0


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
    next_tidy = time.monotonic() + TIDY_SECONDS
    while True:
        await asyncio.sleep(every_seconds)
        await run_in_threadpool(registry.sweep)
        if time.monotonic() >= next_tidy:
            next_tidy += TIDY_SECONDS
            await run_in_threadpool(registry.tidy)
