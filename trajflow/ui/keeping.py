"""What is kept of a tab beside its runs: its tree, as a note in its part of the store. The runs, and what was learned,
its session keeps itself."""

import logging
import math
import re
from dataclasses import asdict, fields
from typing import Any

from trajflow.ui.tree import LONGEST_NAME, Node, Tree

logger = logging.getLogger(__name__)
NOTE = "tree"
KEY = re.compile(r"[0-9a-f]{32}")
NAMES = {field.name for field in fields(Node)}


def note_of(tree: Tree) -> dict[str, Any]:
    """A tree as plain JSON. What was deleted is not in it: it can be brought back as long as the server runs."""
    return {"nodes": [asdict(node) for node in (*tree.nodes.values(), *tree.away.values())]}


def tree_of(note: dict[str, Any]) -> Tree:
    """The tree of a note, an empty one where that cannot be read."""
    tree = Tree()
    try:
        for told in note.get("nodes", []):
            tree.put(_node(told))
    except (LookupError, TypeError, ValueError) as error:
        logger.warning("How a session's pictures hang together cannot be read (%s).", error)
        return Tree()
    return tree


def _node(told: dict[str, Any]) -> Node:
    """A node, checked. Raises ValueError, TypeError or LookupError."""
    if set(told) != NAMES:
        raise ValueError("a node has other fields")
    waited = None if told["waited"] is None else float(told["waited"])
    keys = (told["key"], told["key"] if told["parent"] is None else told["parent"])
    is_named = isinstance(told["name"], str) and len(told["name"]) <= LONGEST_NAME
    if not is_named or not all(KEY.fullmatch(key) for key in keys) or not math.isfinite(waited or 0.0):
        raise ValueError("a node has strange values")
    marks = {name: told[name] is True for name in ("is_favourite", "is_pinned", "is_draft")}
    return Node(told["key"], told["parent"], told["name"], waited=waited, **marks)
