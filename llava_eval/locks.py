"""One process at a time: an advisory lock on an open file.

The system frees it when its process ends, however it ends, so that there is no stale lock to
recognise: the file that stays behind says who had it last, and holds nobody up. Between the
machines of a network file system it depends on the mount: NFS (Linux, since 2.6.12) and Lustre
with `-o flock` ask the server, and it holds everywhere; NFS with `local_lock` or `nolock` and
Lustre with `-o localflock` hold it on one machine only; Lustre with `-o noflock` has no locks.
"""

from __future__ import annotations

import sys
from typing import IO

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def lock_file(file: IO[str]) -> bool:
    """Lock a file until it is closed; False if another process has it.

    Raises:
        OSError: The file system has no locks.
    """
    try:
        _lock(file)
    except (BlockingIOError, PermissionError):
        return False
    return True
