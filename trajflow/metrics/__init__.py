"""What a run is measured by: fidelity of its picture (`image.py`), and its path beside others (`path.py`)."""

from trajflow.metrics.image import PSNR_CAP_DB, compare_images, psnr_db

__all__ = ["PSNR_CAP_DB", "compare_images", "psnr_db"]
