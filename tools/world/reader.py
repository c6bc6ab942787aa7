"""Reads a `Told` back from what the text encoders made of a prompt, with "not said" as an answer to every question.

Every question is answered twice, from the token states and from the pooled vector, the two places where the pipeline
reads text; the sum of both logits counts.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tools.world.architecture import TEXT_WIDTH
from tools.world.scene import (
    ATTRIBUTES,
    COLOURS,
    KINDS,
    MOST_OF_A_KIND,
    SIDES,
    SINGLE,
    UNCOLOURED,
    UNCOUNTED,
    Thing,
    Told,
)

PRESENCE = ("not said", "said", "denied")
# The questions asked about each kind; class 0 is "not said" everywhere.
FIELDS = {
    "presence": PRESENCE,
    "count": ("not said", *range(1, MOST_OF_A_KIND + 1)),
    "colour": ("not said", *COLOURS),
    "side": ("not said", *SIDES),
}
QUESTIONS = {name: ("not said", *values) for name, values in ATTRIBUTES.items()} | {
    f"{kind} {name}": values for kind in KINDS for name, values in FIELDS.items()
}
_SIZES = tuple(len(values) for values in QUESTIONS.values())
_OWNERS = (*ATTRIBUTES, *KINDS)


class Reader(nn.Module):
    """Logits of all questions, [B, 290] from each place, in the order of QUESTIONS."""

    def __init__(self) -> None:
        super().__init__()
        width = 2 * TEXT_WIDTH
        self.query = nn.Linear(width, len(_OWNERS))
        per_kind = sum(map(len, FIELDS.values()))
        self.attributes = nn.ModuleList(nn.Linear(width, 1 + len(values)) for values in ATTRIBUTES.values())
        self.kinds = nn.ModuleList(nn.Linear(width, per_kind) for _ in KINDS)
        self.pooled = nn.Linear(width, sum(_SIZES))

    def forward(
        self, states: torch.Tensor, pooled: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits from states [B, T, 256], of which mask [B, T] are text, and from pooled [B, 256]."""
        weights = self.query(states).masked_fill(~mask[..., None], float("-inf")).softmax(dim=1)
        read = torch.einsum("btk,btd->kbd", weights, states)
        heads = (*self.attributes, *self.kinds)
        return torch.cat([head(part) for head, part in zip(heads, read, strict=True)], dim=-1), self.pooled(pooled)


def text_mask(ids: torch.Tensor, end: int) -> torch.Tensor:
    """[B, T] True up to and including the first `end` token of ids [B, T]."""
    return ((ids == end).cumsum(dim=1) - (ids == end).long()) == 0


def labels(told: Sequence[Told]) -> torch.Tensor:
    """Class indices [B, questions]. Counts of kinds that come once or uncounted are never said."""
    return torch.tensor([_label(one) for one in told])


def loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The cross-entropies of all questions added, averaged over the batch; logits [B, 290], target [B, questions]."""
    parts = logits.float().split(_SIZES, dim=-1)
    return torch.stack([cross_entropy(part, target[:, k]) for k, part in enumerate(parts)]).sum()


def answers(logits: torch.Tensor) -> torch.Tensor:
    """The likeliest class of every question, [B, questions]."""
    return torch.stack([part.argmax(dim=-1) for part in logits.split(_SIZES, dim=-1)], dim=-1)


def confidences(logits: torch.Tensor) -> torch.Tensor:
    """The probability of the likeliest class of every question, [B, questions]."""
    return torch.stack([part.softmax(dim=-1).amax(dim=-1) for part in logits.split(_SIZES, dim=-1)], dim=-1)


def told(answer: Sequence[int]) -> Told:
    """What `answer` (the classes of all questions) says; fields of a kind that is not said are ignored."""
    said = {name: values[k] for (name, values), k in zip(QUESTIONS.items(), answer, strict=True)}
    words = {name: None if said[name] == "not said" else said[name] for name in ATTRIBUTES}
    things, unsaid = [], set()
    for kind in KINDS:
        if said[f"{kind} presence"] != "said":
            continue
        fields = {name: said[f"{kind} {name}"] for name in ("count", "colour", "side")}
        unsaid |= {(kind, name) for name, value in fields.items() if value == "not said"}
        things.append(_thing(kind, fields))
    without = frozenset(kind for kind in KINDS if said[f"{kind} presence"] == "denied")
    return Told(**words, things=tuple(things), open_=frozenset(unsaid), without=without)


def _thing(kind: str, fields: dict[str, object]) -> Thing:
    """The thing as said, with a placeholder for every open field."""
    counted = kind not in SINGLE | UNCOUNTED and fields["count"] != "not said"
    colour = fields["colour"] if fields["colour"] != "not said" else COLOURS[0]
    return Thing(
        kind,
        int(fields["count"]) if counted else 1,
        None if kind in UNCOLOURED else str(colour),
        str(fields["side"]) if fields["side"] != "not said" else "middle",
    )


def _label(one: Told) -> list[int]:
    classes = [QUESTIONS[name].index(getattr(one, name) or "not said") for name in ATTRIBUTES]
    things = {thing.kind: thing for thing in one.things}
    for kind in KINDS:
        thing = things.get(kind)
        if thing is None:
            classes += [PRESENCE.index("denied" if kind in one.without else "not said"), 0, 0, 0]
            continue
        closed = {name for name in ("count", "colour", "side") if (kind, name) not in one.open_}
        counted = "count" in closed and kind not in SINGLE | UNCOUNTED
        coloured = "colour" in closed and thing.colour is not None
        classes += [
            PRESENCE.index("said"),
            FIELDS["count"].index(thing.count) if counted else 0,
            FIELDS["colour"].index(thing.colour) if coloured else 0,
            FIELDS["side"].index(thing.side) if "side" in closed else 0,
        ]
    return classes
