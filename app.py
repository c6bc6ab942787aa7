"""Serve the app on the bundled model: `python app.py`."""

import trajflow
from trajflow.ui import launch

if __name__ == "__main__":
    launch(trajflow.load("tiny"))
