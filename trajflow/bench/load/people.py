"""A closed loop: N people, each asking for the next picture as soon as the last one is there, against one alone.

Throughput is a ratio within one run, alone and together in turns, so that what else the machine does falls on both.
Fairness is Jain's index of the pictures x_i that each of N people got:

    J = (sum x_i)^2 / (N sum x_i^2),    1 where all are served alike, 1 / N where one is.

(Jain, Chiu and Hawe, "A quantitative measure of fairness", DEC-TR-301, 1984.)
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

# Makes the picture of a person, by how many that person has had.
Ask = Callable[[int], object]


@dataclass
class Counted:
    """What came of one phase: pictures by person, errors in words, seconds."""

    pictures: list[int]
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return sum(self.pictures) / self.seconds


def jain(counts: Sequence[float]) -> float:
    """Jain's index of fairness.

    >>> jain([3, 3, 3]), jain([3, 0, 0])
    (1.0, 0.3333333333333333)
    """
    squares = sum(count * count for count in counts)
    return 1.0 if squares == 0 else sum(counts) ** 2 / (len(counts) * squares)


def onwards(ask: Ask) -> Ask:
    """The same person, who goes on counting from phase to phase: what was asked for once would come from the store."""
    numbers = count()
    return lambda _: ask(next(numbers))


def closed_loop(people: Sequence[Ask], seconds: float) -> Counted:
    """Everybody asks at least once, and again until the seconds are over; who is being served then is waited for."""
    counted = Counted([0] * len(people))
    began = time.monotonic()

    def live(person: int) -> None:
        while True:
            try:
                people[person](counted.pictures[person])
            # Whatever it is, it is what the figure counts.
            except Exception as error:
                counted.errors.append(f"{type(error).__name__}: {error}")
                return
            counted.pictures[person] += 1
            if time.monotonic() - began >= seconds:
                return

    threads = [threading.Thread(target=live, args=(person,), daemon=True) for person in range(len(people))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counted.seconds = time.monotonic() - began
    return counted


def together(phases: Sequence[Counted]) -> Counted:
    """Several phases of the same people as one."""
    pictures = [sum(each) for each in zip(*(phase.pictures for phase in phases), strict=True)]
    errors = [error for phase in phases for error in phase.errors]
    return Counted(pictures, errors, sum(phase.seconds for phase in phases))
