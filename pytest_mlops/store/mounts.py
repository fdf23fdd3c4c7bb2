"""On what kind of file system a path lies: SQLite must not be used on one that other machines share."""

from __future__ import annotations

import re
from pathlib import Path

_NETWORK = frozenset(
    {
        "afs",
        "beegfs",
        "ceph",
        "cephfs",
        "cifs",
        "coda",
        "davfs",
        "fhgfs",
        "gcsfuse",
        "glusterfs",
        "goofys",
        "gpfs",
        "juicefs",
        "lustre",
        "moosefs",
        "mount-s3",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "panfs",
        "pvfs2",
        "rclone",
        "s3fs",
        "smb2",
        "smb3",
        "smbfs",
        "sshfs",
        "vastnfs",
        "weka",
        "wekafs",
    }
)
"""Types as in ``/proc/mounts``, also behind ``fuse.``."""


def network_filesystem(path: Path, mounts: str | None = None) -> str | None:
    r"""Type of the network file system on which ``path`` lies (it need not exist yet), else None.

    Parameters
    ----------
    path : Path
    mounts : str, optional
        Text of ``/proc/mounts``; by default of this machine. Where there is none, nothing is known.

    Examples
    --------
    >>> mounts = "disk / ext4 rw 0 0\nserver:/home /home nfs4 rw 0 0\n"
    >>> network_filesystem(Path("/home/me/.mlops"), mounts), network_filesystem(Path("/homes"), mounts)
    ('nfs4', None)
    """
    if mounts is None:
        try:
            mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return None
        path = path.resolve()
    best, kind = -1, None
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(_unescaped(fields[1]))
        if (
            path.is_relative_to(point) and len(point.parts) >= best
        ):  # of two on one point the later one covers
            best, kind = len(point.parts), fields[2]
    return kind if kind is not None and kind.removeprefix("fuse.") in _NETWORK else None


def _unescaped(point: str) -> str:
    r"""The mount point as it is: ``/proc/mounts`` has ``\040`` for a space."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), point)
