"""What was learned about one model: where to evaluate, how to coast, and what fidelity to expect (its profile).

`trajflow calibrate` writes a profile, a JSON file with the priors of reused steps beside it as safetensors; the one of
the bundled model ships with it. A profile names the model it was made
for by a hash of its identity without the device, and is used for no other. A model without one gets the bundled model's
nodes, scaled to its grid, and no forecasts.
"""

from trajflow.calibration.caching import Caching
from trajflow.calibration.profile import (
    CORRECTION,
    FORMAT,
    MOST_DB,
    PROFILE_FILE,
    REFERENCE_STEPS,
    SCALED_NODES,
    GuidanceShift,
    Learned,
    Outcome,
    Placement,
    Profile,
    find_profile,
    model_digest,
    profile_folder,
    read_profile,
    write_profile,
)

__all__ = [
    "CORRECTION",
    "FORMAT",
    "MOST_DB",
    "PROFILE_FILE",
    "REFERENCE_STEPS",
    "SCALED_NODES",
    "Caching",
    "GuidanceShift",
    "Learned",
    "Outcome",
    "Placement",
    "Profile",
    "find_profile",
    "model_digest",
    "profile_folder",
    "read_profile",
    "write_profile",
]
