"""What Gradio remembers of a tab between two events: the key to its session, and nothing of what the page has shown.

Gradio keeps the last value of every component, for links to a page as it stood, and keeps a component that was changed
once more at each change; an hour after its tab was closed, all of it is still there. Here a tab is forgotten soon after
its seat is, and its pictures are never kept.
"""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from gradio.blocks import Block, Blocks
from gradio.routes import App
from gradio.state_holder import SessionState, StateHolder

from trajflow.ui.registry import LEFT_SECONDS, Registry


class Tab(SessionState):
    """One tab: components as they were changed last, without their values, and what `gr.State` holds."""

    def __init__(self, page: Blocks) -> None:
        super().__init__(page)
        self.config_values.clear()

    def __setitem__(self, key: int, value: Any) -> None:
        if isinstance(value, Block):
            # A changed component is a new one with a number of its own, under which it would be kept again.
            value._id = key
        super().__setitem__(key, value)
        self.config_values.clear()

    def _update_config(self, key: int) -> None:
        """Nothing: no link leads to what is shown."""

    def _update_value_in_config(self, key: int, value: Any) -> None:
        """Nothing: no link leads to what is shown."""


class Tabs(StateHolder):
    """Every tab that Gradio knows; those without a seat are forgotten `left_seconds` after their last event."""

    def __init__(
        self, registry: Registry, *, left_seconds: float = LEFT_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._registry = registry
        self._left_seconds = left_seconds
        self._clock = clock
        self._last_events: dict[str, float] = {}

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = Tab(self.blocks)
        self._last_events[session_id] = self._clock()
        return super().__getitem__(session_id)

    def delete_all_expired_state(self) -> None:
        """Gradio calls this every second: give up the seats whose time is over, and the tabs without a seat."""
        self._registry.sweep()
        seated, now = self._registry.tabs, self._clock()
        for tab in list(self.session_data):
            if tab not in seated and now - self._last_events.get(tab, 0.0) > self._left_seconds:
                for kept in (self.session_data, self.time_last_used, self._last_events):
                    kept.pop(tab, None)
                self.blocks._queue.pending_messages_per_session.pop(tab, None)
                self.blocks._queue.pending_event_ids_session.pop(tab, None)


def remembering(registry: Registry) -> Callable[[App], AbstractAsyncContextManager[None]]:
    """The lifespan of an app that remembers its tabs in this way."""

    @asynccontextmanager
    async def lifespan(app: App):
        app.state_holder = Tabs(registry)
        app.state_holder.set_blocks(app.get_blocks())
        yield

    return lifespan
