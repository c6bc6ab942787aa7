"""What a folder lies on, as Linux tells in /proc/self/mountinfo, and whether that is a network drive.

SQLite's write-ahead log is for one machine: readers and writers share memory (sqlite.org/wal.html). Its rollback
journal does without, and leans on locks, which network drives often do not keep as they should
(sqlite.org/useovernet.html). So an index of ours is not kept on one.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

from trajflow.errors import CacheError

MOUNTS = Path("/proc/self/mountinfo")
NETWORK = frozenset(
    ("acfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fhgfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs",
     "nfs4", "orangefs", "panfs", "pvfs2", "smb3", "smbfs", "vboxsf", "wekafs")
)  # fmt: skip
# Programs that bring a drive of elsewhere; others show a local folder in another way, as mergerfs and gocryptfs do.
NETWORK_FUSE = frozenset(
    ("blobfuse", "blobfuse2", "ceph", "ceph-fuse", "curlftpfs", "davfs", "davfs2", "gcsfuse", "glusterfs", "goofys",
     "google-drive-ocamlfuse", "gvfsd-fuse", "hdfs", "httpfs", "httpfs2", "juicefs", "lizardfs", "mfs", "moosefs",
     "mount-s3", "mountpoint-s3", "objectivefs", "onedriver", "rclone", "s3fs", "s3ql", "seaweedfs", "smbnetfs",
     "sshfs", "vmhgfs-fuse")
)  # fmt: skip
ESCAPE = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """A mounted file system: where, of which type (`ext4`, `nfs4`, `fuse.sshfs`), and from what."""

    point: str
    kind: str
    source: str

    @property
    def is_network(self) -> bool:
        """Whether its files are another machine's."""
        kind, _, program = self.kind.partition(".")
        # Some programs of FUSE do not say which they are, but where they have it from.
        is_remote = program in NETWORK_FUSE or self.source in NETWORK_FUSE or "://" in self.source
        return kind in NETWORK or (kind == "fuse" and is_remote)


def mount_of(path: str, mountinfo: str) -> Mount | None:
    """The mount that an absolute path lies on, by the lines of that file, None where nothing fits.

    It is the longest that leads to the path, and of equal ones the last, which hides those before it.
    """
    found = None
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, (kind, source, *_) = before.split(" "), [*after.split(" "), "", ""]
        point = _unescaped(fields[4]) if len(fields) > 4 else ""
        is_above = point == "/" or path == point or path.startswith(f"{point}/")
        if point and is_above and (found is None or len(point) >= len(found.point)):
            found = Mount(point, kind, _unescaped(source))
    return found


def check_local(folder: Path) -> None:
    """Raises CacheError where the folder, which need not be there yet, lies on a network drive as far as is known."""
    try:
        mountinfo = MOUNTS.read_text("utf-8", "surrogateescape")
    except OSError:
        # Not Linux, or a place that hides it.
        return
    mount = mount_of(os.path.realpath(folder), mountinfo)
    if mount is not None and mount.is_network:
        raise CacheError(
            f"Nothing can be kept in {folder}: it lies on a network drive ({mount.kind} at {mount.point}), where the "
            "index, an SQLite file, is not safe. Choose a folder on a disk of this machine."
        )


def _unescaped(name: str) -> str:
    return ESCAPE.sub(lambda octal: chr(int(octal[1], 8)), name)
