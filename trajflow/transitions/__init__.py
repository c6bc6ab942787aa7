"""Ways from cached trajectories to a new prompt; each is one file and one `Transition`."""

from trajflow.base import Transition
from trajflow.transitions.ab2 import AdamsBashforth
from trajflow.transitions.basis import Basis
from trajflow.transitions.blend import Blend
from trajflow.transitions.direct import Direct
from trajflow.transitions.dpm import DPMSolver
from trajflow.transitions.kalman import Kalman
from trajflow.transitions.mpc import Mpc
from trajflow.transitions.multiple_shooting import MultipleShooting
from trajflow.transitions.reuse import Reuse
from trajflow.transitions.shooting import Shooting
from trajflow.transitions.shooting_mpc import ShootingMpc
from trajflow.transitions.softenings import Softening, by_derivative, by_flow, by_uncertainty
from trajflow.transitions.unipc import UniPC

TRANSITIONS: dict[str, Transition] = {
    "direct": Direct(),
    "blend": Blend(),
    "basis": Basis(),
    "ab2": AdamsBashforth(),
    "dpm++2m": DPMSolver(),
    "unipc": UniPC(),
    "reuse": Reuse(),
    "shooting": Shooting(),
    "multiple-shooting": MultipleShooting(),
    "mpc": Mpc(),
    "shooting-mpc": ShootingMpc(),
    "kalman": Kalman(),
    "uncertainty-blend": Softening(by_uncertainty),
    "flow-blend": Softening(by_flow),
    "derivative-blend": Softening(by_derivative),
}
