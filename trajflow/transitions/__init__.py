"""Ways from cached trajectories to a new prompt; each is one file and one `Transition`."""

from trajflow.base import Transition
from trajflow.transitions.basis import Basis
from trajflow.transitions.blend import Blend
from trajflow.transitions.difference import Difference
from trajflow.transitions.direct import Direct

TRANSITIONS: dict[str, Transition] = {
    "direct": Direct(),
    "blend": Blend(),
    "difference": Difference(),
    "basis": Basis(),
}
