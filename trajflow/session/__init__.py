"""One user's session, the library's front door: a run, its refinement, its completion, and what is remembered."""

from trajflow.session.estimate import Estimate
from trajflow.session.session import Mode, Session

__all__ = ["Estimate", "Mode", "Session"]
