"""What a tab knows about its pictures besides the pictures: which came from which, their names, and what was deleted.

A node stands for an entry of the session, under the entry's key. A draft is a preview that nobody has asked to keep:
the next picture takes its place.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from trajflow.cache import Entry
from trajflow.cache.entry import on_cpu
from trajflow.errors import RequestError

LONGEST_NAME = 80
BIN_SIZE = 12


@dataclass(frozen=True)
class Node:
    """One picture's place in the tree. `waited` are the seconds from the request to the picture."""

    key: str
    parent: str | None = None
    name: str = ""
    is_favourite: bool = False
    is_pinned: bool = False
    is_draft: bool = False
    waited: float | None = None


class Tree:
    """The nodes of one tab, those of kept entries that it has no room for, and the last deleted entries."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.away: dict[str, Node] = {}
        self.deleted: list[tuple[Entry, Node]] = []

    @property
    def nbytes(self) -> int:
        """Bytes of what was deleted and can be brought back."""
        return sum(entry.nbytes for entry, _ in self.deleted)

    def node(self, key: str) -> Node:
        """The node of an entry, one without a past where the tree does not know it."""
        return self.nodes.get(key) or Node(key)

    def put(self, node: Node) -> None:
        """Add or replace a node; one that would be its own ancestor becomes a root."""
        if node.key in self._line(node.parent):
            node = replace(node, parent=None)
        self.nodes[node.key] = node

    def change(self, key: str, changes: dict[str, Any]) -> Node:
        """Rename, pin or mark a node; all of which keep a draft. Raises RequestError for anything else."""
        allowed = {"name": str, "is_favourite": bool, "is_pinned": bool}
        for name, value in changes.items():
            if name not in allowed or not isinstance(value, allowed[name]):
                raise RequestError("A picture can be named, marked as a favourite or pinned, and nothing else.")
        if len(changes.get("name", "")) > LONGEST_NAME:
            raise RequestError(f"The name is too long; use at most {LONGEST_NAME} characters.")
        node = replace(self.node(key), is_draft=False, **changes)
        self.put(node)
        return node

    def settle(self, key: str) -> None:
        """Keep a draft."""
        if key in self.nodes:
            self.nodes[key] = replace(self.nodes[key], is_draft=False)

    def drafts(self) -> list[str]:
        """The keys of all drafts."""
        return [key for key, node in self.nodes.items() if node.is_draft]

    def remove(self, key: str) -> None:
        """Take a node out; what came from it hangs on its parent."""
        gone = self.nodes.pop(key, None)
        if gone is not None:
            self.nodes = {
                each.key: replace(each, parent=gone.parent) if each.parent == key else each
                for each in self.nodes.values()
            }

    def set_aside(self, keys: Iterable[str]) -> None:
        """Take nodes out that are to be there again when there is room for their entries."""
        for key in keys:
            if key in self.nodes:
                self.away[key] = self.nodes[key]
                self.remove(key)

    def delete(self, entry: Entry) -> None:
        """Take a node out, remembering how to bring it back; its path waits in the host's memory."""
        self.deleted = [*self.deleted, (on_cpu(entry), self.node(entry.key))][-BIN_SIZE:]
        self.remove(entry.key)

    def undelete(self) -> Entry:
        """The entry deleted last, its node back in place. Raises RequestError when there is none."""
        if not self.deleted:
            raise RequestError("There is nothing to bring back.")
        entry, node = self.deleted.pop()
        self.put(node if node.parent in self.nodes else replace(node, parent=None))
        return entry

    def prune(self, keys: Iterable[str]) -> list[str]:
        """Forget the nodes whose entries are gone; their keys."""
        held = set(keys)
        gone = [key for key in self.nodes if key not in held]
        for key in gone:
            self.remove(key)
        return gone

    def clear(self) -> None:
        """Forget everything."""
        self.nodes.clear()
        self.away.clear()
        self.deleted.clear()

    def _line(self, key: str | None) -> set[str]:
        """A node and all before it."""
        line: set[str] = set()
        while key is not None and key not in line:
            line.add(key)
            key = self.node(key).parent
        return line
