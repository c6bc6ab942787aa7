"""kill -9 of the served app in the middle of a run, and its start again over the same folder of sessions."""

import os
import signal
import time
from contextlib import closing
from pathlib import Path

from trajflow.bench.faults.kills import Killed
from trajflow.bench.load.prompts import prompt
from trajflow.bench.served import served
from trajflow.bench.visitor import Visitor
from trajflow.cache.folder_store import FolderStore
from trajflow.cache.store import owner_of

# What was shown is on the disk a moment later (docs/howto/restarts.md); what is not by then is counted as lost.
PATIENCE_SECONDS = 60.0


def kills_of_the_app(name: str, folder: Path, count: int, steps: int) -> Killed:
    """Make a picture, kill the app during the next one, start it again: the session holds all of the pictures, bit for
    bit, and goes on."""
    key, lost, unserved = "", 0, 0
    pictures: dict[str, bytes] = {}
    for number in range(count + 1):
        with served(name, ["--state", str(folder)]) as app:
            visitor = Visitor(app.url, key)
            lost += bool(key) and visitor.key != key
            key = visitor.key
            held = {node["key"] for node in visitor.library()["nodes"]}
            lost += len(set(pictures) - held)
            unserved += sum(visitor.picture(each) != pictures[each] for each in set(pictures) & held)
            if number == count:
                visitor.client.close()
                break
            node = visitor.run(prompt(number), seed=7, steps=steps, quality="exact")["node"]
            pictures[node["key"]] = visitor.picture(node["key"])
            _wait_until_kept(folder, key, node["key"])
            asked = {"prompt": "a run that nobody finishes", "steps": steps, "quality": "exact"}
            with visitor.opened("run", asked) as answer:
                next(line for line in answer.iter_lines() if '"type": "step"' in line)
                os.kill(app.pid, signal.SIGKILL)
            visitor.client.close()
    return Killed(count, len(pictures), lost, 0, unserved)


def _wait_until_kept(folder: Path, session: str, key: str) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    with closing(FolderStore(folder)) as store:
        while key not in store.keys(owner_of(session)) and time.monotonic() < until:
            time.sleep(0.05)
