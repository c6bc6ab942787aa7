"""Who knows another visitor's address book but not the secret: stolen and guessed session names, and paths of files."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import httpx

from trajflow.bench.served import Served
from trajflow.bench.visitor import HEADER, Visitor

SECRET_PROMPT = "a cabin that nobody knows of"
FILES = ("/etc/passwd", "/proc/self/environ", "/proc/self/cmdline", "/etc/hostname")
WAYS = (
    "/gradio_api/file={}", "/file={}", "/gradio_api/file=..{}", "/gradio_api/file=/../../..{}", "/studio/..{}",
    "/studio/%2e%2e{}", "/studio/..%2f..%2f..{}", "/gradio_api/stream/{}", "/gradio_api/file/{}", "/static/..{}",
    "/assets/..{}", "/gradio_api/file=file://{}", "/gradio_api/file=%2e%2e{}", "/theme.css/..{}", "{}",
)  # fmt: skip


def guesses(key: str, count: int) -> Iterator[str]:
    """Names that are not the key: near it, and at random."""
    yield from (key[:-1], key + "0", key.upper() if key.upper() != key else key.swapcase(), key[::-1], "*", "0" * 32)
    yield from (f"{key}%00", f"{key}/../{key}", "null", "undefined", "true", "[]", "%", "_")
    yield from (secrets.token_hex(16) for _ in range(count))


def stolen_sessions(app: Served, count: int) -> tuple[int, int]:
    """(Attempts, leaks): a visitor's picture asked for under names that are not the session's."""
    victim = Visitor(app.url)
    key = victim.run(SECRET_PROMPT, seed=7, steps=2, quality="exact")["node"]["key"]
    attempts = leaks = 0
    with httpx.Client(base_url=app.url, timeout=60) as thief:
        for guess in guesses(victim.key, count):
            headers = {HEADER: guess}
            answers = [
                thief.post("/studio/hello", json={"session": guess}),
                thief.get(f"/studio/picture/{key}/shown", headers=headers),
                thief.post("/studio/save", json={}, headers=headers),
                thief.post("/studio/delete", json={"key": key}, headers=headers),
                thief.post("/gradio_api/call/history", json={"data": [guess], "session_hash": victim.key}),
            ]
            if answers[-1].status_code == 200:
                event = answers[-1].json()["event_id"]
                answers.append(thief.get(f"/gradio_api/call/history/{event}"))
            attempts += len(answers)
            leaks += sum(SECRET_PROMPT in answer.text or answer.content[:4] == b"\x89PNG" for answer in answers)
    is_unharmed = [node["prompt"] for node in victim.library()["nodes"]] == [SECRET_PROMPT]
    victim.close()
    return attempts, leaks + (not is_unharmed)


def guessed_files(app: Served) -> tuple[int, int]:
    """(Attempts, leaks): files of the machine, the app's own log among them, asked for in every way that is known."""
    wanted = [*FILES, str(app.log), str(Path(__file__))]
    attempts = leaks = 0
    with httpx.Client(base_url=app.url, timeout=60) as thief:
        for path in wanted:
            content = Path(path).read_bytes()[:64] if Path(path).is_file() and not path.startswith("/proc") else b"\0"
            for way in WAYS:
                answer = thief.get(way.format(path))
                attempts += 1
                leaks += answer.status_code == 200 and (content in answer.content or b"PATH=" in answer.content)
    return attempts, leaks
