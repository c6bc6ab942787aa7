"""A run while it is under way: what its step events add up to, and when it is time to draw again."""

import time
from dataclasses import dataclass, field

from PIL.Image import Image

from trajflow.base import Result, Step, StepKind
from trajflow.sampler import RemoteModel
from trajflow.session import Session
from trajflow.ui import pictures, text

REDRAW_SECONDS = 0.12
PREVIEW_SHARE = 0.25


@dataclass
class Live:
    """The picture, strip and angles of a run so far; of a refined run, its present pass's and its best."""

    prompt: str
    size: tuple[int, int]
    compare: bool
    is_refined: bool = False
    expected: int | None = None
    kinds: list[StepKind | None] = field(default_factory=list)
    angles: dict[int, float] = field(default_factory=dict)
    last: Step | None = None
    best: Result | None = None
    cached: Image | None = None
    baseline: Image | None = None
    next_drawing: float = 0.0
    nfe: int = 0
    _latest: dict[str, Step] = field(default_factory=dict)

    def add(self, step: Step) -> None:
        """Take in one step event; another pass begins with an empty strip."""
        if self.last is not None and step.refinement != self.last.refinement:
            self.kinds, self.angles = [], {}
        self.last = step
        self._latest[step.phase] = step
        if step.phase == "baseline":
            return
        if not self.kinds:
            self.kinds = ["cached" if k < step.k else None for k in range(step.steps)]
        self.kinds[step.k], self.nfe = step.kind, step.nfe
        if step.angle is not None:
            self.angles[step.k] = step.angle

    def is_due(self) -> bool:
        """Whether to draw now: at a phase's first and last step, and between them as often as a browser shows usefully
        and as leaves previews a small share of the time."""
        edge = self.last is not None and self.last.k in (0, self.last.steps - 1)
        return edge or time.monotonic() >= self.next_drawing

    def decode(self, session: Session) -> None:
        """Turn the newest previews into pictures; not those of a model that is elsewhere."""
        began = time.monotonic()
        is_shown = self.best is None and not isinstance(session.model, RemoteModel)
        for phase, step in self._latest.items() if is_shown else ():
            image = session.decode(step.preview)
            if phase == "baseline":
                self.baseline = image
            else:
                self.cached = image
        self._latest.clear()
        ended = time.monotonic()
        self.next_drawing = ended + max(REDRAW_SECONDS, (ended - began) * (1 / PREVIEW_SHARE - 1))

    @property
    def done(self) -> int:
        """Steps of the picture itself taken so far."""
        return len(self.kinds) - self.kinds.count(None)

    def cards(self, *, is_stopped: bool = False) -> str:
        """HTML of the pictures so far."""
        if self.cached is None:
            return pictures.invitation(self.size)
        badge = f"step {self.done} of {len(self.kinds)}" if self.done < len(self.kinds) else ""
        if is_stopped:
            badge = f"unfinished · {badge}" if badge else "not compared"
        return pictures.unfinished(
            self.size,
            self.prompt,
            self.cached,
            self.baseline,
            badge=badge,
            compare=self.compare and not is_stopped,
            spent=text.plural(self.nfe, "evaluation"),
        )

    def status(self) -> str:
        """HTML of the status line."""
        assert self.last is not None
        return text.progress(self.last, self.expected, is_refined=self.is_refined)
