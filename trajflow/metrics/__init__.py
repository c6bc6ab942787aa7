"""What a run is measured by: fidelity of pictures, angle between velocities, wall time by phase."""

from trajflow.metrics.angle import angle_degrees
from trajflow.metrics.clock import PhaseClock
from trajflow.metrics.image import PSNR_CAP_DB, compare_images, psnr_db

__all__ = ["PSNR_CAP_DB", "PhaseClock", "angle_degrees", "compare_images", "psnr_db"]
