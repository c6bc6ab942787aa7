import pytest

from trajflow.errors import RequestError
from trajflow.ui.tree import Node, Tree


@pytest.fixture
def tree():
    grown = Tree()
    for node in (Node("a"), Node("b", "a"), Node("c", "b"), Node("d", "b", is_draft=True)):
        grown.put(node)
    return grown


def test_children_of_a_deleted_picture_hang_on_its_parent(tree):
    tree.remove("b")
    assert {key: node.parent for key, node in tree.nodes.items()} == {"a": None, "c": "a", "d": "a"}


def test_no_picture_becomes_its_own_ancestor(tree):
    tree.put(Node("a", "c"))
    assert tree.node("a").parent is None


def test_naming_or_marking_a_draft_keeps_it(tree):
    assert tree.drafts() == ["d"]
    tree.change("d", {"is_favourite": True, "name": "dusk"})
    assert tree.drafts() == []
    assert (tree.node("d").name, tree.node("d").is_favourite) == ("dusk", True)


@pytest.mark.parametrize("changes", [{"parent": "c"}, {"name": 3}, {"is_pinned": 1}, {"name": "x" * 81}, {"key": "a"}])
def test_nothing_else_can_be_changed_from_outside(tree, changes):
    with pytest.raises(RequestError):
        tree.change("a", changes)


def test_pictures_that_are_gone_are_forgotten(tree):
    tree.prune(["a", "c"])
    assert {key: node.parent for key, node in tree.nodes.items()} == {"a": None, "c": "a"}
    with pytest.raises(RequestError, match="nothing to bring back"):
        tree.undelete()
