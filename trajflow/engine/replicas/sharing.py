"""The store that replicas share, by its address: a folder on one machine, or a server that several reach."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from trajflow.cache import FolderStore, Store
from trajflow.cache.valkey import SCHEMES, ValkeyStore
from trajflow.errors import CacheError, RequestError

BOOT = Path("/proc/sys/kernel/random/boot_id")


def machine() -> str:
    """What tells this machine from others, containers on it included; empty where that is not known."""
    return BOOT.read_text().strip() if BOOT.exists() else ""


@dataclass(frozen=True)
class Sharing:
    """A store of `capacity` bytes at `url`. It travels to the replicas, and each opens it.

    Raises RequestError for an address that no store has.
    """

    url: str
    capacity: int
    machine: str = field(default_factory=machine)

    def __post_init__(self) -> None:
        split = urlsplit(self.url)
        is_folder = split.scheme == "file" and split.path.startswith("/") and split.netloc in ("", "localhost")
        if not is_folder and split.scheme not in SCHEMES:
            raise RequestError(
                f"The store is {self.url!r}. Give file:///FOLDER on one machine, or redis://HOST:PORT or "
                "valkey://HOST:PORT, which several machines reach."
            )

    @property
    def is_local(self) -> bool:
        """Whether only processes of one machine can share it: a folder's index is a file in shared memory."""
        return urlsplit(self.url).scheme == "file"

    def check(self, machines: int) -> None:
        """Raises RequestError where replicas of several machines would share a folder, and CacheError for a folder that
        cannot be one's store."""
        if self.is_local and machines > 1:
            raise RequestError(
                f"A store in a folder serves one machine, and this cluster has {machines}, even if all of them see the "
                "folder. Give --store redis://HOST:PORT or valkey://HOST:PORT."
            )
        if self.is_local:
            self.open().close()

    def open(self) -> Store:
        """The store, for this process. Raises CacheError where it cannot be opened, also on another machine."""
        if not self.is_local:
            return ValkeyStore(self.url, self.capacity)
        if machine() != self.machine:
            raise CacheError(f"The store {self.url} serves another machine than this. Give one that several can reach.")
        return FolderStore(Path(unquote(urlsplit(self.url).path)), self.capacity)
