"""A store as one file, to move it to another machine: a zip of its documents, each `OWNER/KEY`, none compressed.

What is read is not trusted. Nothing is ever extracted to a path; names, sizes and every document are checked before the
first is kept. None being compressed, what is in the file cannot be larger than the file.
"""

import json
import os
import re
import secrets
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from trajflow.cache.document import read_document
from trajflow.cache.files import PARTIAL, put_in_place, remove
from trajflow.cache.folder_store import FolderStore
from trajflow.cache.owned_store import LONGEST_NOTE
from trajflow.errors import CacheError

MEMBER = re.compile(r"([0-9a-f]{64})/([0-9a-f]{32}|note-[a-z]{1,32})")
MOST_DOCUMENTS = 100_000


def export_store(store: FolderStore, path: Path) -> int:
    """Write every document that can be read to a new file; how many those are. Raises CacheError."""
    count = 0
    try:
        if path.exists():
            raise CacheError(f"{path} exists. Name another file, or remove it.")
        with _new_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for row in store.documents():
                document = store.peek(row)
                if document is not None and is_sound(row.key, document):
                    archive.writestr(f"{row.owner}/{row.key}", document)
                    count += 1
    except OSError as error:
        raise CacheError(f"{path} cannot be written: {error.strerror or error}.") from error
    return count


def import_store(store: FolderStore, path: Path) -> tuple[int, int]:
    """Keep the documents of a file; how many were kept, and how many were there before, which stay as they are.

    Raises CacheError, with nothing kept, for a file that `export_store` has not written, or that is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = _checked(archive, path.stat().st_size)
            for info, (_, key) in members:
                if not is_sound(key, archive.read(info)):
                    raise CacheError(f"{path} holds a document that is damaged or of another kind. Nothing was taken.")
            held = {(row.owner, row.key) for row in store.documents()}
            new = [(info, names) for info, names in members if names not in held]
            for info, (owner, key) in new:
                store.put(owner, key, archive.read(info))
    except OSError as error:
        raise CacheError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
        raise CacheError(f"{path} is not an export of trajflow, or it is damaged. Nothing was taken.") from error
    return len(new), len(members) - len(new)


def is_sound(key: str, document: bytes) -> bool:
    """Whether a document can be read as what its key says: a run of that key, or a note."""
    try:
        if key.startswith("note-"):
            return len(document) <= LONGEST_NOTE and isinstance(json.loads(document), dict)
        return read_document(document).key == key
    except (CacheError, ValueError, RecursionError):
        return False


def _checked(archive: zipfile.ZipFile, size: int) -> list[tuple[zipfile.ZipInfo, tuple[str, str]]]:
    """The members with their owners and keys. Raises CacheError for what could not be ours."""
    infos = archive.infolist()
    names = [MEMBER.fullmatch(info.filename) for info in infos]
    if len(infos) > MOST_DOCUMENTS or len({info.filename for info in infos}) < len(infos) or None in names:
        raise CacheError("The file holds something that no export has. Nothing was taken.")
    for info in infos:
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size or info.flag_bits & 1:
            raise CacheError("The file is compressed or encrypted, which no export is. Nothing was taken.")
    if sum(info.file_size for info in infos) > size:
        raise CacheError("The file says that it holds more than its size. Nothing was taken.")
    return [(info, (match[1], match[2])) for info, match in zip(infos, names, strict=True) if match is not None]


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that nobody else may read, under its name once all of it is on the disk, and gone when that fails."""
    partial = path.with_name(f"{path.name}.{secrets.token_hex(16)}{PARTIAL}")
    number = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(number, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        put_in_place(partial, path)
    finally:
        remove(partial)
