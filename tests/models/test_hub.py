"""Models from the hub: a hub of one's own on the loopback interface, asked by real processes."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

import trajflow
from trajflow.errors import ModelError
from trajflow.models.hub import explain

NOWHERE = "http://127.0.0.1:9"
COMMIT, PINNED = "a" * 40, "b" * 40
SCRIPT = """
import json, os, sys
import trajflow
from trajflow.errors import ModelError
for source, revision, token in json.loads(sys.argv[1]):
    os.environ.pop("HF_TOKEN", None)
    if token:
        os.environ["HF_TOKEN"] = token
    try:
        flow = trajflow.load(source, revision=revision, device="cpu")
        print(json.dumps([flow.name, flow.identity()["weights"][0]]))
    except ModelError as error:
        print(json.dumps(str(error)))
"""


class Hub(BaseHTTPRequestHandler):
    """Models owner/open (two revisions), owner/gated (for the token "let-me-in") and owner/other, no pipeline."""

    folders: ClassVar[dict[str, Path]] = {}

    def do_HEAD(self) -> None:
        self._answer(is_head=True)

    def do_GET(self) -> None:
        self._answer(is_head=False)

    def log_message(self, *args: object) -> None:
        pass

    def _answer(self, is_head: bool) -> None:
        parts = self.path.partition("?")[0].strip("/").split("/")
        is_api = parts[:2] == ["api", "models"]
        parts = parts[2:] if is_api else parts
        repo, rest = "/".join(parts[:2]), parts[2:]
        revision = rest[1] if rest[:1] in (["resolve"], ["revision"], ["tree"]) else "main"
        commit = {"main": COMMIT, "v1": PINNED}.get(revision, revision)
        if repo == "owner/gated" and self.headers.get("Authorization") != "Bearer let-me-in":
            return self._send(403, b"", {"X-Error-Code": "GatedRepo"}, is_head)
        if repo not in ("owner/open", "owner/gated", "owner/other"):
            return self._send(404, b"", {"X-Error-Code": "RepoNotFound"}, is_head)
        if commit not in self.folders:
            return self._send(404, b"", {"X-Error-Code": "RevisionNotFound"}, is_head)
        folder = self.folders[commit]
        files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
        if rest[:1] == ["tree"]:
            tree = [
                {
                    "type": "file",
                    "path": name,
                    "size": path.stat().st_size,
                    "oid": hashlib.sha1(name.encode()).hexdigest(),
                }
                for name, path in files.items()
            ]
            return self._send(200, json.dumps(tree).encode(), {"Content-Type": "application/json"}, is_head)
        if is_api:
            siblings = [{"rfilename": name} for name in files]
            told = {"id": repo, "modelId": repo, "sha": commit, "siblings": siblings, "tags": [], "downloads": 0}
            return self._send(200, json.dumps(told).encode(), {"Content-Type": "application/json"}, is_head)
        name = "/".join(rest[2:])
        if name not in files or repo == "owner/other":
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}, is_head)
        content = files[name].read_bytes()
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        return self._send(200, content, {"X-Repo-Commit": commit, "ETag": etag}, is_head)

    def _send(self, status: int, body: bytes, headers: dict[str, str], is_head: bool) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if not is_head:
            self.wfile.write(body)


@pytest.fixture(scope="module")
def endpoint(make_pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    for seed, commit in ((0, COMMIT), (1, PINNED)):
        Hub.folders[commit] = tmp_path_factory.mktemp(commit[0])
        make_pipeline(seed=seed).save_pretrained(Hub.folders[commit])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def ask(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Callable:
    """Load (model, revision, token) in a process of its own: [name, hash of the transformer], or what was said."""
    home = tmp_path_factory.mktemp("home")

    def load(*models: tuple[str, str | None, str | None], **environment: str) -> list:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        given = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HOME": str(home), "NO_PROXY": "127.0.0.1"}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, json.dumps(models)],
            env={**kept, **given, "no_proxy": "127.0.0.1", "HF_HUB_DISABLE_TELEMETRY": "1", **environment},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return load


@pytest.mark.slow
def test_the_hub_is_asked_for_a_revision_with_a_token_or_not_at_all(ask, endpoint: str) -> None:
    newest, pinned, gated, shut, opened, nowhere, revision, other = ask(
        ("owner/open", None, None),
        ("owner/open", "v1", None),
        ("owner/gated", None, None),
        ("owner/gated", None, "wrong"),
        ("owner/gated", "v1", "let-me-in"),
        ("owner/nowhere", None, None),
        ("owner/open", "v9", None),
        ("owner/other", None, None),
    )
    assert newest[0] == pinned[0] == "owner/open"
    assert newest[1] != pinned[1], "another revision is another model"
    assert gated.startswith("owner/gated is gated and there is no access token")
    assert f"{endpoint}/owner/gated" in gated
    assert shut.startswith("owner/gated is gated and your access token does not open it")
    assert opened == ["owner/gated", pinned[1]]
    assert nowhere.startswith("There is no model owner/nowhere on the hub, or it is private")
    assert revision.startswith("owner/open has no revision 'v9'")
    assert other.startswith("owner/other is not a diffusers pipeline")

    cached, old, absent = ask(
        ("owner/open", None, None),
        ("owner/open", PINNED, None),
        ("owner/other", None, None),
        HF_HUB_OFFLINE="1",
        HF_ENDPOINT=NOWHERE,
    )
    assert cached == newest
    assert old == pinned
    assert absent.startswith("HF_HUB_OFFLINE is set and owner/other is not complete in ")
    assert "hf download owner/other" in absent
    for sentence in (gated, shut, nowhere, revision, other, absent):
        assert sentence.endswith(".")
        assert "\n" not in sentence


def refusal(kind: type[Exception], **given: Any) -> Exception:
    """An error of the hub's client as diffusers hands it on: another one raised while it was handled."""
    try:
        try:
            raise kind("told by the hub", **given)
        except Exception as error:
            raise OSError("not what the user needs to read") from error
    except OSError as error:
        return error


RESPONSE = httpx.Response(503, request=httpx.Request("GET", NOWHERE))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (refusal(GatedRepoError, response=RESPONSE), "is gated"),
        (refusal(LocalEntryNotFoundError), "cannot be reached and owner/model is not complete"),
        (refusal(OfflineModeIsEnabled), "HF_HUB_OFFLINE is set"),
        (refusal(HfHubHTTPError, response=RESPONSE), "(HTTP 503)"),
    ],
)
def test_other_failures_on_the_way_are_told_apart(error: Exception, words: str) -> None:
    assert words in explain(error, "owner/model", None)


def test_what_did_not_come_from_the_hub_is_not_explained_by_it() -> None:
    assert explain(OSError("disk full"), "owner/model", None) is None


@pytest.mark.parametrize("source", ["no-folder-here", "a/b/c", "../up/there", ""])
def test_what_is_neither_a_folder_nor_a_hub_id_asks_nobody(source: str) -> None:
    with pytest.raises(ModelError, match="neither a folder nor a hub id"):
        trajflow.load(source)
