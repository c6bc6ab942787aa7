"""Network drives are found by a mount table, here made up, and refused before anything is written."""

import pytest

from trajflow.cache import FolderStore, mounts
from trajflow.engine.replicas.sharing import Sharing
from trajflow.errors import CacheError

TABLE = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
40 27 0:41 / /srv rw,relatime shared:7 master:1 - nfs4 filer:/exports/srv rw,vers=4.2,addr=10.0.0.2
41 40 254:1 / /srv/local rw,relatime - xfs /dev/vdb rw
42 27 0:43 / /mnt/my\040share rw - cifs //office/share rw
43 27 0:44 / /mnt/remote rw - fuse.sshfs me@host:/home/me rw,user_id=0
44 27 0:45 / /mnt/bucket rw - fuse.s3fs s3fs rw
45 27 0:46 / /mnt/dav rw - fuse https://dav.example.org/ rw
46 27 0:47 / /mnt/s3 rw - fuse mountpoint-s3 rw
47 27 0:48 / /mnt/pool rw - fuse.mergerfs a:b rw
48 27 0:49 / /mnt/usb rw - fuseblk /dev/sdb1 rw
49 27 0:50 / /net rw - autofs systemd-1 rw
50 27 0:51 / /net rw - nfs filer:/net rw
51 27 0:52 / /home rw - nfs old:/home rw
52 27 254:2 / /home rw - btrfs /dev/vdc rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv", "nfs4"),
        ("/srv/trajflow/state", "nfs4"),
        ("/mnt/my share/state", "cifs"),
        ("/mnt/remote/state", "fuse.sshfs"),
        ("/mnt/bucket/state", "fuse.s3fs"),
        ("/mnt/dav/state", "fuse"),
        ("/mnt/s3/state", "fuse"),
        ("/net/state", "nfs"),
    ],
)
def test_a_network_drive_is_found_by_the_longest_mount(path, kind):
    mount = mounts.mount_of(path, TABLE)
    assert (mount.kind, mount.is_network) == (kind, True)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/srvice/state", "ext4"),
        ("/srv/local/state", "xfs"),
        ("/mnt/pool/state", "fuse.mergerfs"),
        ("/mnt/usb/state", "fuseblk"),
        ("/home/me/state", "btrfs"),
    ],
)
def test_what_is_local_is_left_in_peace(path, kind):
    mount = mounts.mount_of(path, TABLE)
    assert (mount.kind, mount.is_network) == (kind, False)


@pytest.mark.parametrize("table", ["", "\n", "nonsense", "1 2 3 4", "1 2 0:1 / /elsewhere rw - ext4 /dev/vda rw"])
def test_a_table_that_says_nothing_finds_nothing(table):
    assert mounts.mount_of("/srv", table) is None


@pytest.fixture
def on_a_network_drive(tmp_path, monkeypatch):
    table = tmp_path / "mountinfo"
    table.write_text(TABLE + f"60 27 0:60 / {tmp_path}/drive rw - nfs4 filer:/drive rw\n")
    monkeypatch.setattr(mounts, "MOUNTS", table)
    return tmp_path / "drive" / "state"


def test_a_store_is_refused_there_and_nothing_is_made(on_a_network_drive, tmp_path):
    with pytest.raises(CacheError, match=r"network drive \(nfs4 at .*/drive\).*Choose a folder on a disk"):
        FolderStore(on_a_network_drive)
    with pytest.raises(CacheError, match="network drive"):
        Sharing(f"file://{on_a_network_drive}", 2**20).check(1)
    assert not on_a_network_drive.parent.exists()
    FolderStore(tmp_path / "here").close()


def test_a_link_to_a_network_drive_is_one(on_a_network_drive, tmp_path):
    (tmp_path / "link").symlink_to(on_a_network_drive)
    with pytest.raises(CacheError, match="network drive"):
        FolderStore(tmp_path / "link")


def test_where_no_table_is_told_nothing_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(mounts, "MOUNTS", tmp_path / "nothing")
    FolderStore(tmp_path / "state").close()
