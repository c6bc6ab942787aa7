"""What the page asks of its session's pictures: to name them, to take them away and back, to hand them out."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from trajflow.base import Defaults, Model
from trajflow.cache import Entry
from trajflow.errors import RequestError
from trajflow.ui import archive, describe, learning, parameters, png, sheet, wire
from trajflow.ui.registry import Registry, TabSession
from trajflow.ui.tree import BIN_SIZE
from trajflow.ui.variations import MOST_CELLS

MOST_PICTURE_BYTES = 32 * 2**20


def told(tab_session: TabSession, defaults: Defaults) -> dict[str, Any]:
    """Every picture of a session, newest first, and how much it holds."""
    entries = tab_session.session.entries()
    tab_session.tree.prune(entry.key for entry in entries)
    return {
        "nodes": [describe.node(entry, tab_session.tree.node(entry.key), defaults) for entry in entries],
        "held": tab_session.session.nbytes,
        "capacity": tab_session.session.capacity,
        "away": len(tab_session.session.unheld),
        "deleted": len(tab_session.tree.deleted),
        "is_kept": tab_session.owned_store is not None and not tab_session.owned_store.trouble,
    }


def entry_of(tab_session: TabSession, key: Any) -> Entry:
    """The entry of that key. Raises RequestError."""
    entry = tab_session.entry(key)
    if entry is None:
        raise RequestError("That picture is no longer kept.")
    return entry


class Library:
    """The pictures of every session, over one model."""

    def __init__(self, model: Model, registry: Registry) -> None:
        self._model = model
        self._registry = registry

    async def node(self, request: Request) -> Response:
        """Rename, pin or mark a picture."""
        tab_session = wire.tab_of(request, self._registry)
        given = await wire.read_json(request)
        entry = entry_of(tab_session, given.pop("key", None))
        known = tab_session.tree.change(entry.key, given)
        await wire.in_thread(tab_session.keep)
        return wire.answered(await wire.in_thread(describe.node, entry, known, self._model.defaults))

    async def learned(self, request: Request) -> Response:
        """What the session has learned of its similarity tiers; with `forget`, after it was forgotten."""
        tab_session = wire.tab_of(request, self._registry)
        if (await wire.read_json(request)).get("forget") is True:
            await wire.in_thread(tab_session.session.forget_learned)
        return wire.answered(learning.told(tab_session.session))

    async def delete(self, request: Request) -> Response:
        """Take a picture and its path out of the session."""
        tab_session = wire.tab_of(request, self._registry)
        entry = entry_of(tab_session, (await wire.read_json(request)).get("key"))
        tab_session.tree.delete(entry)
        await wire.in_thread(tab_session.session.forget, entry.key)
        return await self._changed(tab_session)

    async def undelete(self, request: Request) -> Response:
        """Bring the picture deleted last back, with its path."""
        tab_session = wire.tab_of(request, self._registry)
        await wire.in_thread(tab_session.session.adopt, tab_session.tree.undelete())
        return await self._changed(tab_session)

    async def clear(self, request: Request) -> Response:
        """Forget every picture that is not pinned."""
        tab_session = wire.tab_of(request, self._registry)
        self._registry.desk.cancel(tab_session.key)
        tree, entries = tab_session.tree, tab_session.session.entries()
        gone = [entry for entry in entries if not tree.node(entry.key).is_pinned]
        for number, entry in enumerate(gone):
            # Newest first: those that can be brought back are the newest ones.
            if number < BIN_SIZE:
                tree.delete(entry)
            else:
                tree.remove(entry.key)
            await wire.in_thread(tab_session.session.forget, entry.key)
        for key in tab_session.session.unheld:
            if key not in tree.away or not tree.away[key].is_pinned:
                tree.away.pop(key, None)
                await wire.in_thread(tab_session.session.forget, key)
        answer = await self._changed(tab_session)
        if tab_session.owned_store is not None and tab_session.is_bare:
            await wire.in_thread(tab_session.owned_store.clear)
        return answer

    async def sources(self, request: Request) -> Response:
        """The cached pictures that one was made from, and their shares."""
        tab_session = wire.tab_of(request, self._registry)
        entry = entry_of(tab_session, (await wire.read_json(request)).get("key"))
        return wire.answered({"sources": await wire.in_thread(describe.sources, tab_session.session, entry)})

    async def picture(self, request: Request) -> Response:
        """A picture with its settings inside."""
        tab_session = wire.tab_of(request, self._registry)
        entry = entry_of(tab_session, request.path_params["key"])
        which = request.path_params["which"]
        encoded = await wire.in_thread(describe.picture, entry, which, self._model)
        return Response(encoded, media_type="image/png", headers=wire.PRIVATE)

    async def read(self, request: Request) -> Response:
        """The settings in a PNG or in pasted text."""
        wire.tab_of(request, self._registry)
        body = await wire.read_bytes(request, MOST_PICTURE_BYTES)
        if request.headers.get("content-type", "").startswith("text/"):
            try:
                text = body.decode("utf-8-sig")
            except UnicodeDecodeError:
                text = ""
            if not text or "\0" in text or len(text) > png.LONGEST_TEXT:
                raise RequestError("This is neither a PNG, nor a session, nor a text with settings.")
            return wire.answered(png.read_json(text) if text.lstrip().startswith("{") else parameters.read(text))
        return wire.answered(await wire.in_thread(png.read_settings, body))

    async def contact(self, request: Request) -> Response:
        """A contact sheet of some pictures."""
        tab_session = wire.tab_of(request, self._registry)
        given = await wire.read_json(request)
        keys, columns, labels = given.get("keys"), given.get("columns", 4), given.get("labels", [])
        if not isinstance(keys, list) or not isinstance(columns, int) or not isinstance(labels, list):
            raise RequestError("A contact sheet is a list of pictures and a number of columns.")
        if len(keys) > MOST_CELLS:
            raise RequestError(f"A contact sheet has at most {MOST_CELLS} pictures.")
        entries = [entry_of(tab_session, key) for key in keys]
        shown = [str(label)[:200] for label in labels]
        encoded = await wire.in_thread(lambda: png.encode(sheet.contact(entries, columns, shown)))
        return Response(encoded, media_type="image/png", headers=wire.PRIVATE)

    async def save(self, request: Request) -> Response:
        """The session as one file."""
        tab_session = wire.tab_of(request, self._registry)
        data = await wire.in_thread(archive.write, tab_session)
        return Response(data, media_type="application/zip", headers=wire.PRIVATE)

    async def load(self, request: Request) -> Response:
        """Take a saved session's pictures in."""
        tab_session = wire.tab_of(request, self._registry)
        data = await wire.read_bytes(request, tab_session.session.capacity)
        pictures, paths = await wire.in_thread(archive.read, tab_session, data)
        await wire.in_thread(tab_session.keep)
        library = await wire.in_thread(told, tab_session, self._model.defaults)
        return wire.answered({"pictures": pictures, "paths": paths, **library})

    async def _changed(self, tab_session: TabSession) -> Response:
        """Keep the tree, and tell what the session holds now."""
        await wire.in_thread(tab_session.keep)
        return wire.answered(await wire.in_thread(told, tab_session, self._model.defaults))
