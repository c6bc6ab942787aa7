"""`trajflow cache`: what is kept in a folder of sessions, whether it is sound, and moving it.

Exit code 0: done; 1: `verify` found something; 2: it could not be done.
"""

import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trajflow.cli.shared import bytes_of
from trajflow.errors import RequestError

if TYPE_CHECKING:
    from trajflow.cache import FolderStore

group = typer.Typer(no_args_is_help=True, help="Look after a folder of kept sessions.", rich_markup_mode=None)
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder that `trajflow ui --state` was given.")]


def opened(folder: Path, gib: float | None = None, days: float | None = None) -> "FolderStore":
    """The store in a folder, with limits or none. Raises RequestError where there is none."""
    from trajflow.cache import FolderStore
    from trajflow.cache.folder_store import DOCUMENTS

    # What is not there is not made.
    if not (folder / DOCUMENTS).is_dir():
        raise RequestError(f"No sessions are kept in {folder}. Name the folder that `trajflow ui --state` was given.")
    capacity = sys.maxsize if gib is None else bytes_of(gib)
    return FolderStore(folder, capacity, math.inf if days is None else days * 86_400)


@group.command()
def info(folder: Folder) -> None:
    """Tell what is kept: sessions by a hash of their secret, their documents, bytes, and last use."""
    store = opened(folder)
    owners = store.owners()
    documents = sum(count for _, _, count, _ in owners)
    typer.echo(f"{len(owners)} sessions, {documents} documents, {megabytes(store.nbytes)}")
    for owner, used, count, nbytes in owners:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(used))
        typer.echo(f"{owner[:12]}  {count:>6} documents  {megabytes(nbytes):>10}  last used {when}")


@group.command()
def verify(
    folder: Folder,
    remove: Annotated[bool, typer.Option("--remove", help="Take out what is not what was put.")] = False,
) -> None:
    """Read everything, and tell what is damaged or foreign. Exit code 1 when something is."""
    from trajflow.cache.exchange import is_sound

    store = opened(folder)
    troubles = list(store.check())
    for trouble in troubles:
        typer.echo(f"{trouble.path}: {trouble.said}")
        if remove:
            store.remove(trouble)
    harmed = {trouble.row for trouble in troubles}
    sound = strange = 0
    for row in store.documents():
        # A server may replace or remove any of them meanwhile: those are nothing to tell of.
        document = None if row in harmed else store.peek(row)
        if document is None:
            continue
        if is_sound(row.key, document):
            sound += 1
        else:
            strange += 1
            typer.echo(f"{row.key} of {row.owner[:12]}: it is whole, but nothing that this version reads")
    wrong = len(troubles) + strange
    said = "is wrong" if wrong == 1 else "are wrong"
    typer.echo(f"{sound} documents are as they were put, {wrong} {said}.")
    raise typer.Exit(1 if wrong else 0)


@group.command()
def prune(
    folder: Folder,
    days: Annotated[float | None, typer.Option(min=0, help="Remove sessions that were not used for so long.")] = None,
    gib: Annotated[float | None, typer.Option(min=0, help="Remove what was used longest ago, down to this.")] = None,
) -> None:
    """Remove what dead processes left, and what is older or more than you say."""
    before = opened(folder)
    documents, nbytes = len(before.documents()), before.nbytes
    before.close()
    after = opened(folder, gib, days)
    removed = documents - len(after.documents())
    typer.echo(f"{removed} documents removed, {megabytes(nbytes - after.nbytes)}; {megabytes(after.nbytes)} are left.")


@group.command(name="export")
def export_to(folder: Folder, file: Annotated[Path, typer.Argument(help="A new .zip file.")]) -> None:
    """Write all sessions to one file. Whoever has it can read all pictures and prompts in it."""
    from trajflow.cache.exchange import export_store

    typer.echo(f"{export_store(opened(folder), file)} documents are in {file}.")


@group.command(name="import")
def import_from(folder: Folder, file: Annotated[Path, typer.Argument(help="What `export` wrote.")]) -> None:
    """Take in the sessions of a file. What is there already stays as it is."""
    from trajflow.cache import FolderStore
    from trajflow.cache.exchange import import_store

    if not file.is_file():
        raise RequestError(f"There is no file {file}.")
    kept, there = import_store(FolderStore(folder, sys.maxsize, math.inf), file)
    typer.echo(f"{kept} documents were taken in; {there} were there already.")


def megabytes(nbytes: int) -> str:
    """Bytes for people."""
    return f"{nbytes / 2**20:,.1f} MB"
