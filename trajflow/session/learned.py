"""What a session has learned, as a note beside its runs: it holds for one model only."""

import logging
import math
from dataclasses import astuple

from trajflow.cache import OwnedStore
from trajflow.cache.tiers import Resumed
from trajflow.calibration import Learned, Outcome

logger = logging.getLogger(__name__)
NOTE = "learned"


def keep_learned(store: OwnedStore, model: str, learned: Learned) -> None:
    """Note what was learned about the model of that digest."""
    told = {name: [astuple(each) for each in getattr(learned, name)] for name in ("outcomes", "resumes")}
    store.write_note(NOTE, {"model": model, **told})


def learned_before(store: OwnedStore, model: str) -> Learned:
    """What is noted about the model of that digest; nothing where that is another model or cannot be read."""
    note = store.read_note(NOTE)
    if note.get("model") != model:
        return Learned()
    try:
        outcomes = tuple(Outcome(*map(float, outcome)) for outcome in note["outcomes"])
        # Notes of before have no resumes.
        resumes = tuple(Resumed(*map(float, resumed)) for resumed in note.get("resumes", ()))
        numbers = [value for outcome in outcomes for value in astuple(outcome)]
        numbers += [value for resumed in resumes for value in astuple(resumed)]
        if not all(map(math.isfinite, numbers)):
            raise ValueError("a forecast is not a number")
    except (LookupError, TypeError, ValueError) as error:
        logger.warning("What a session had learned cannot be read (%s). It begins anew.", error)
        return Learned()
    return Learned(outcomes, resumes)
