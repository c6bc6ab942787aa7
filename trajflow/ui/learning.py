"""What a tab has learned of where resuming pays: its own similarity tiers, a line about them, and a way to begin anew.

Late resumes teach when they are measured: when their picture is made exact, and in the method lab.
"""

from typing import Any

from trajflow.cache import LEARNED, Tier, tier_table
from trajflow.cache.tiers import PROMISED_DB, move_tiers
from trajflow.session import Session


def learned_tiers(session: Session) -> tuple[Tier, ...]:
    """The published table with the boundaries that this session's measurements speak for, whatever its own table."""
    return move_tiers(tier_table(LEARNED), session.learned.resumes)


def told(session: Session) -> dict[str, Any]:
    """The table as pairs [similarity, fraction of the steps resumed], and a line on what it rests on."""
    resumes = session.learned.resumes
    good = sum(each.is_good for each in resumes)
    line = (
        f"Learned from {len(resumes)} late resume{'s' if len(resumes) > 1 else ''} of this session: "
        f"{good} came within {PROMISED_DB:g} dB of from scratch, as the published tiers promise, "
        f"{len(resumes) - good} did not."
        if resumes
        else "Nothing is learned yet, so these are the published ones. Every late resume that is measured teaches: "
        "here, or when its picture is made exact."
    )
    table = [[tier.least_similarity, tier.resume_fraction] for tier in learned_tiers(session)]
    return {"tiers": table, "resumes": len(resumes), "line": line}
