"""Serve the app: `python app.py`. TRAJFLOW_MODEL names a model other than the bundled one: a hub id or a folder."""

import os

import trajflow
from trajflow.engine import placed
from trajflow.extras import require

if __name__ == "__main__":
    require("ui", "The app")
    from trajflow.ui import launch

    launch(placed(lambda: trajflow.load(os.environ.get("TRAJFLOW_MODEL", "tiny"))))
