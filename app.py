"""Serve the app: `python app.py`. TRAJFLOW_MODEL names a model other than the bundled one, a hub id or a folder;
TRAJFLOW_STATE a folder in which sessions are kept over restarts, TRAJFLOW_AUTH a USER:PASSWORD that it asks for."""

import os
from pathlib import Path

import trajflow
from trajflow.engine import placed
from trajflow.extras import require

if __name__ == "__main__":
    require("ui", "The app")
    from trajflow.ui import launch

    state = os.environ.get("TRAJFLOW_STATE")
    model = placed(lambda: trajflow.load(os.environ.get("TRAJFLOW_MODEL", "tiny")))
    launch(model, auth=os.environ.get("TRAJFLOW_AUTH") or None, state=Path(state) if state else None)
