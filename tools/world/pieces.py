"""A folder as pieces that travel where large files do not, and the folder again:

    python -m tools.world.pieces split FOLDER PIECES     python -m tools.world.pieces join PIECES FOLDER

The folder becomes one archive, cut into files of at most 16 MiB, with a manifest that holds the sha256 of each and of
the whole. Joining refuses pieces that are missing or changed.
"""

import argparse
import hashlib
import io
import json
import tarfile
from pathlib import Path

PIECE_BYTES = 16 * 2**20 - 1024
MANIFEST = "manifest.json"


def split(folder: Path, pieces: Path, size: int = PIECE_BYTES) -> list[Path]:
    """Write the files of `folder` as pieces of at most `size` bytes; the same files give the same pieces."""
    whole = _archive(folder)
    pieces.mkdir(parents=True, exist_ok=True)
    written, entries = [], []
    for number, start in enumerate(range(0, len(whole), size)):
        part = whole[start : start + size]
        path = pieces / f"part{number:02d}"
        path.write_bytes(part)
        written.append(path)
        entries.append({"name": path.name, "bytes": len(part), "sha256": _digest(part)})
    manifest = {"bytes": len(whole), "sha256": _digest(whole), "pieces": entries}
    (pieces / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    return [*written, pieces / MANIFEST]


def join(pieces: Path, folder: Path) -> None:
    """Unpack pieces into `folder`. Raises ValueError that names the piece that is missing or not what it was."""
    manifest = json.loads((pieces / MANIFEST).read_text())
    parts = []
    for entry in manifest["pieces"]:
        path = pieces / entry["name"]
        if not path.exists():
            raise ValueError(f"{path} is missing: {len(manifest['pieces'])} pieces belong together.")
        parts.append(path.read_bytes())
        if _digest(parts[-1]) != entry["sha256"]:
            raise ValueError(f"{path} is not what it was: its sha256 should be {entry['sha256']}. Fetch it again.")
    whole = b"".join(parts)
    assert _digest(whole) == manifest["sha256"]
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        # As by filter="data", which Python has from 3.11.4 on; what is unpacked has been checked above.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)


def _archive(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size = path.stat().st_size
            with path.open("rb") as file:
                archive.addfile(entry, file)
    return buffer.getvalue()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def main(arguments: list[str] | None = None) -> None:
    """Split or join."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("split", "join"))
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args(arguments)
    {"split": split, "join": join}[options.what](options.source, options.target)


if __name__ == "__main__":
    main()
