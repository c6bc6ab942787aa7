"""Assembled Spaces: what is in them, what they ask to be installed, and what is uploaded where."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import SpaceCard, SpaceHardware
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import trajflow

ROOT = Path(trajflow.__file__).parents[1]
KINDS = ("cpu", "zerogpu", "docker")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# What the card of a Space may say: huggingface.co/docs/hub/spaces-config-reference.
COLORS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")


def deploy(*arguments, **environment):
    command = [sys.executable, str(ROOT / "spaces" / "deploy.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)


def files(folder):
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


def digest(folder):
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files(folder).items()}


def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if "==" in line)
    return {canonicalize_name(name): version for name, version in pairs}


def requirements(folder):
    lines = (folder / "requirements.txt").read_text().splitlines()
    return {canonicalize_name(each.name): each for each in map(Requirement, lines)}


@pytest.fixture(scope="module")
def assembled(tmp_path_factory):
    """A Space of each kind."""
    folder = tmp_path_factory.mktemp("assembled")
    for kind in KINDS:
        done = deploy("--output", folder / kind, "--kind", kind)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_space_holds_the_app_the_package_and_its_assets_and_nothing_else(assembled, kind):
    held = set(files(assembled / kind))
    package = {f"trajflow/{name}" for name in files(ROOT / "trajflow") if "__pycache__" not in name}
    assert {name for name in held if name.startswith("trajflow/")} == package
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {name.split("/")[1] for name in held if name.startswith("assets/")} == {
        asset.split("/")[1] for asset in wheel["force-include"]
    }
    own = {"app.py", "LICENSE", "README.md", "requirements.txt", "packages.txt", ".trajflow-space"}
    own |= {"Dockerfile"} if kind == "docker" else set()
    assert {name for name in held if "/" not in name} == own
    assert {name.split("/")[0] for name in held if "/" in name} == {"trajflow", "assets"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_card_is_one_that_the_hub_reads(assembled, kind):
    card = SpaceCard.load(assembled / kind / "README.md").data.to_dict()
    assert card["suggested_hardware"] in list(SpaceHardware)
    assert card["colorFrom"] in COLORS
    assert card["colorTo"] in COLORS
    assert len(card["short_description"]) <= 60
    assert card["license"] == PROJECT["license"].lower()
    if kind == "docker":
        assert (card["sdk"], card["app_port"]) == ("docker", 7860)
        return
    assert (card["sdk"], card["sdk_version"]) == ("gradio", pins()["gradio"])
    assert (assembled / kind / card["app_file"]).exists()
    # The Hub's default is 3.10.
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(card["python_version"])


def test_zerogpu_asks_for_zerogpu_and_a_python_it_has(assembled):
    card = SpaceCard.load(assembled / "zerogpu" / "README.md").data.to_dict()
    assert (card["python_version"], card["suggested_hardware"]) == ("3.12", SpaceHardware.ZERO_A10G)


@pytest.mark.parametrize("kind", KINDS)
def test_requirements_are_the_direct_ones_at_the_pinned_versions(assembled, kind):
    asked, pinned = requirements(assembled / kind), pins()
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *extras["ui"], *extras["search"], *extras["control"]]
    direct = {canonicalize_name(each.name): each for each in map(Requirement, lines)}
    assert extras["app"] == ["trajflow[ui,search,control]"]
    assert set(asked) == {*direct, "spaces"}
    for name, requirement in direct.items():
        if kind == "zerogpu" and name == "torch":
            continue
        assert str(asked[name].specifier) == f"=={pinned[name]}"
        assert requirement.specifier.contains(pinned[name])


def test_zerogpu_takes_every_torch_that_both_it_and_the_package_take(assembled):
    taken = requirements(assembled / "zerogpu")["torch"].specifier
    own = next(each for each in map(Requirement, PROJECT["dependencies"]) if each.name == "torch").specifier
    on_zerogpu = ("2.8.0", "2.9.1", "2.10.0", "2.11.0")
    elsewhere = ("2.7.1", "2.12.0", "2.13.0")
    assert [v for v in on_zerogpu if taken.contains(v)] == [v for v in on_zerogpu if own.contains(v)] != []
    assert not any(taken.contains(version) for version in elsewhere)


@pytest.mark.parametrize("kind", KINDS)
def test_packages_are_bare_names(assembled, kind):
    """They are read by xargs, comments and all."""
    lines = (assembled / kind / "packages.txt").read_text().splitlines()
    assert lines
    assert all(line.replace("-", "").replace("+", "").isalnum() for line in lines)


def test_the_image_copies_what_is_there_and_listens_where_the_card_says(assembled):
    lines = (assembled / "docker" / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    words = [line.split() for line in lines if line.strip()]
    assert words[0][0] == "FROM"
    sources = [each for line in words if line[0] == "COPY" for each in line[1:-1] if not each.startswith("--")]
    assert sources == ["packages.txt", "requirements.txt", "."]
    assert all((assembled / "docker" / source).exists() for source in sources)
    assert "GRADIO_SERVER_PORT=7860" in next(line for line in words if line[0] == "ENV")
    assert json.loads(" ".join(words[-1][1:])) == ["python", "app.py"]


def test_the_same_checkout_gives_the_same_bytes_over_what_was_there(assembled, tmp_path):
    output = tmp_path / "space"
    assert deploy("--output", output, "--kind", "docker").returncode == 0
    (output / "stale.txt").write_text("of an earlier time")
    (output / ".git").mkdir()
    (output / ".git" / "config").write_text("the Space's own")
    assert deploy("--output", output, "--kind", "cpu").returncode == 0
    assert (output / ".git" / "config").read_text() == "the Space's own"
    made = {name: value for name, value in digest(output).items() if not name.startswith(".git/")}
    assert made == digest(assembled / "cpu")


@pytest.mark.parametrize("kind", ["a folder of the user's", "a file"])
def test_what_was_not_made_here_is_left_alone(tmp_path, kind):
    output = tmp_path / "precious"
    if kind == "a file":
        output.write_text("text")
    else:
        output.mkdir()
        (output / "thesis.txt").write_text("text")
    before = digest(tmp_path)
    done = deploy("--output", output)
    assert done.returncode == 1
    assert str(output) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert digest(tmp_path) == before


def test_a_space_is_not_assembled_into_its_own_sources():
    done = deploy("--output", ROOT / "trajflow" / "space")
    assert done.returncode == 1
    assert not (ROOT / "trajflow" / "space").exists()


def test_uploading_without_a_token_says_what_to_do_and_makes_nothing(tmp_path):
    done = deploy("--output", tmp_path / "space", "--push", "user/space", HF_HOME=str(tmp_path / "home"), HF_TOKEN="")
    assert done.returncode == 1
    assert "hf auth login" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "space").exists()


def test_a_name_that_is_none_is_refused(tmp_path):
    done = deploy("--output", tmp_path / "space", "--push", "space")
    assert done.returncode == 1
    assert "user/space" in done.stderr


class Hub(BaseHTTPRequestHandler):
    """The Hub's side of an upload, as far as it needs to answer: what it was sent is kept in `sent`."""

    def do_GET(self):
        stale = {"type": "file", "path": "stale.txt", "size": 1, "oid": "0" * 40}
        if self.server.refuses:
            self._answer({"error": "Forbidden"}, 403)
        else:
            self._answer([stale] if "/tree/" in self.path else {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.sent.append((self.path, body))
        address = f"http://127.0.0.1:{self.server.server_port}/spaces/user/space"
        if self.server.refuses:
            self._answer({"error": "Forbidden"}, 403)
        elif "/preupload/" in self.path:
            asked = json.loads(body)["files"]
            self._answer(
                {"files": [{"path": each["path"], "uploadMode": "regular", "shouldIgnore": False} for each in asked]}
            )
        else:
            self._answer({"url": address, "commitUrl": f"{address}/commit/{'0' * 40}", "commitOid": "0" * 40})

    def _answer(self, answer, status=200):
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.sent, server.refuses = [], False
    server.environment = {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_TOKEN": "hf_for_a_test",
        "HF_HOME": str(tmp_path / "home"),
    }
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("kind", ["zerogpu", "docker"])
def test_what_is_uploaded_is_what_was_assembled(hub, assembled, tmp_path, kind):
    done = deploy("--output", tmp_path / "space", "--kind", kind, "--push", "user/space", **hub.environment)
    assert done.returncode == 0, done.stderr
    created = json.loads(next(body for path, body in hub.sent if path.endswith("/repos/create")))
    assert created["type"] == "space"
    assert created["sdk"] == ("docker" if kind == "docker" else "gradio")
    # A few hundred files go up in several commits.
    commits = [body for path, body in hub.sent if "/commit/" in path]
    lines = [json.loads(line) for commit in commits for line in commit.splitlines()]
    uploaded = {
        line["value"]["path"]: hashlib.sha256(base64.b64decode(line["value"]["content"])).hexdigest()
        for line in lines
        if line["key"] == "file"
    }
    expected = digest(assembled / kind)
    del expected[".trajflow-space"]
    assert uploaded == expected
    assert [line["value"]["path"] for line in lines if line["key"] == "deletedFile"] == ["stale.txt"]


def test_a_hub_that_refuses_is_quoted(hub, tmp_path):
    hub.refuses = True
    done = deploy("--output", tmp_path / "space", "--push", "user/space", **hub.environment)
    assert done.returncode == 1
    assert "403" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_folder_stays_no_package():
    """Else it would hide the package of that name from an app that is started beside it."""
    assert not (ROOT / "spaces" / "__init__.py").exists()
