"""Names of files in other people's files: never a way out of the folder that they are in."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path, PurePath

from llava_eval.errors import DataError, brief


def leads_out(name: str, kind: type[PurePath] = PurePath) -> bool:
    r"""Tell from a name alone whether it may lead out of any folder.

    Args:
        name: Relative, or it leads out.
        kind: Whose rules: this system's.

    >>> leads_out("a/b.jpg"), leads_out("a/../b.jpg"), leads_out("/etc/passwd")
    (False, True, True)
    >>> from pathlib import PureWindowsPath
    >>> leads_out("C:b.jpg", PureWindowsPath), leads_out(r"\\host\b.jpg", PureWindowsPath)
    (True, True)
    """
    path = kind(name)
    return bool(path.anchor) or ".." in path.parts


def inside(folder: Path, name: str) -> Path:
    """Return the path of a file or folder that a data set names.

    Args:
        folder: That all of them are in.
        name: As the data set gives it.

    Returns:
        Where it is, links followed; it may not exist.

    Raises:
        DataError: It leads out of the folder, itself or by a link, is no name that a file can
            have, or is neither a file nor a folder: a pipe would be waited for without end.
    """
    where = f"{folder}: {brief(name)}"
    base = os.path.abspath(folder)
    if not _below(os.path.abspath(os.path.join(base, name)), base):
        # Nothing was touched so far: to look at a name can mean to log in at a stranger's server.
        raise DataError(f"{where} leads out of the data folder; not opened")
    try:
        path = Path(base, name).resolve()
        odd = path.exists() and not (path.is_file() or path.is_dir())
    except (OSError, RuntimeError, ValueError) as error:  # too long, a circle of links, a NUL byte
        raise DataError(f"{where} is no name of a file: {error}") from error
    if not path.is_relative_to(_resolved(folder)):
        raise DataError(f"{where} leads out of the data folder; not opened")
    if odd:
        raise DataError(f"{where} is neither a file nor a folder; not opened")
    return path


def _below(path: str, base: str) -> bool:
    return Path(path).is_relative_to(base)


@cache
def _resolved(folder: Path) -> Path:
    return folder.resolve()
