"""Tables in Markdown, padded to be read as they stand."""

from collections.abc import Iterable, Sequence

from tabulate import tabulate


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, right: bool = False) -> str:
    """The rows under their heads, cells as they are; `right` sets every column after the first to the right."""
    aligned = ["left", *["right" if right else "left"] * (len(head) - 1)]
    cells = [[str(cell) for cell in row] for row in rows]
    return tabulate(cells, head, tablefmt="pipe" if right else "github", disable_numparse=True, colalign=aligned)
