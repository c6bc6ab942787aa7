"""Assemble a Hugging Face Space: `python spaces/deploy.py --output DIR [--kind cpu|zerogpu|docker]`.

A Space is the app, the package and the assets that the package is built with, and what this folder holds for its kind.
Versions are those of constraints.txt, for the packages that pyproject.toml and its extra `app` ask for; a line of the
kind's own requirements.txt takes the place of that package's. The same checkout gives the same bytes.
"""

import argparse
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARTS = ROOT / "spaces"
KINDS = ("cpu", "zerogpu", "docker")
# Says that a folder was made here and may be made anew; it is not uploaded.
MARK = ".trajflow-space"
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


def assemble(output: Path, kind: str) -> None:
    """Make the Space in `output`: a new or an empty folder, or one that was made here before, whose contents go.

    What begins with `.git` stays. Exits with one sentence for any other folder.
    """
    _make_empty(output)
    (output / MARK).write_text(f"{kind}\n")
    for name in ("app.py", "LICENSE"):
        shutil.copyfile(ROOT / name, output / name)
    shutil.copytree(ROOT / "trajflow", output / "trajflow", ignore=LEFT_OUT, copy_function=shutil.copyfile)
    for asset in _assets():
        target = output / asset
        if (ROOT / asset).is_dir():
            shutil.copytree(ROOT / asset, target, ignore=LEFT_OUT, copy_function=shutil.copyfile)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / asset, target)
    shutil.copyfile(PARTS / "packages.txt", output / "packages.txt")
    if kind == "docker":
        shutil.copyfile(PARTS / kind / "Dockerfile", output / "Dockerfile")
    card = (PARTS / kind / "README.md").read_text(encoding="utf-8")
    (output / "README.md").write_text(card.replace("{gradio}", _pins()["gradio"]), encoding="utf-8")
    (output / "requirements.txt").write_text("".join(f"{line}\n" for line in requirements(kind)))


def requirements(kind: str) -> list[str]:
    """The lines of the Space's requirements.txt: direct dependencies only, so that the host may add its own."""
    pins = _pins()
    lines = {name: f"{name}=={pins[name]}" for name in map(_name, _asked("app"))}
    own = (PARTS / kind / "requirements.txt").read_text().split("\n")
    return sorted((lines | {_name(line): line for line in own if line}).values())


def push(output: Path, kind: str, space: str) -> str:
    """Upload the folder as the Space `user/space`, made if need be; what it no longer holds goes. Its address."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi()
    try:
        sdk = "docker" if kind == "docker" else "gradio"
        address = api.create_repo(space, repo_type="space", space_sdk=sdk, exist_ok=True)
        api.upload_folder(
            repo_id=space,
            repo_type="space",
            folder_path=output,
            ignore_patterns=[MARK, ".git*"],
            delete_patterns="*",
            commit_message="Deploy trajflow",
        )
    except HfHubHTTPError as error:
        sys.exit(f"The Hub did not take the Space {space}: {error}")
    return str(address)


def _make_empty(output: Path) -> None:
    if output.exists() and not output.is_dir():
        sys.exit(f"{output} is not a folder.")
    if any(output.resolve().is_relative_to(ROOT / part) for part in ("trajflow", "assets", "spaces")):
        sys.exit(f"{output} lies in what the Space is made of: name a folder elsewhere.")
    output.mkdir(parents=True, exist_ok=True)
    held = [path for path in output.iterdir() if not path.name.startswith(".git")]
    if held and not (output / MARK).exists():
        sys.exit(f"{output} holds files and was not made by this command: name an empty or a new folder.")
    for path in held:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _asked(extra: str | None = None) -> list[str]:
    """The package's own requirements with those of an extra, and of the extras that it names."""
    project = _project()["project"]
    lines = project["dependencies"] if extra is None else project["optional-dependencies"][extra]
    own = re.compile(rf"{project['name']}\[(.+)\]")
    found = [] if extra is None else _asked()
    for line in lines:
        names = own.fullmatch(line)
        found += [part for name in names[1].split(",") for part in _asked(name)] if names else [line]
    return found


def _assets() -> Iterator[str]:
    """What the installed package holds of `assets/`."""
    yield from sorted(_project()["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"])


def _pins() -> dict[str, str]:
    lines = (line.strip() for line in (ROOT / "constraints.txt").read_text().split("\n"))
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {_name(name): version for name, version in pairs}


def _name(requirement: str) -> str:
    """The normalised name that a requirement begins with."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def _check_push(space: str) -> None:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", space):
        sys.exit(f"{space!r} is not the name of a Space: write user/space.")
    try:
        from huggingface_hub import get_token
    except ImportError:
        sys.exit("Uploading needs the package huggingface_hub, which comes with trajflow: run this in its environment.")
    if get_token() is None:
        sys.exit("There is no Hugging Face token: run `hf auth login`, or set HF_TOKEN to one that may write.")


def main() -> None:
    """Read the command line, assemble, and upload if asked to."""
    parser = argparse.ArgumentParser(description="Assemble a Hugging Face Space, and upload it with --push.")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="where to assemble it")
    parser.add_argument("--kind", choices=KINDS, default="cpu", help="what it runs on (default: %(default)s)")
    parser.add_argument("--push", metavar="USER/SPACE", help="upload it as this Space")
    asked = parser.parse_args()
    if asked.push:
        _check_push(asked.push)
    assemble(asked.output, asked.kind)
    print(f"Assembled for {asked.kind}: {asked.output}")
    if asked.push:
        print(f"Uploaded: {push(asked.output, asked.kind, asked.push)}")


if __name__ == "__main__":
    main()
