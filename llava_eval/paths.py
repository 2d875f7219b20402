"""What is at a path, and what is in a folder; names in other people's files lead nowhere else.

A path that cannot be looked at is neither there nor missing: no permission, a network file system
that is away. pathlib raises there, or says that nothing is there, as its version has it; here it
is an error of ours, after the attempts of `retries`.
"""

from __future__ import annotations

import errno
import os
import stat
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path, PurePath

from llava_eval.errors import DataError, LlavaEvalError, brief, why
from llava_eval.retries import file_fault, patiently

FILE, FOLDER, OTHER, LOST = "file", "folder", "pipe or device", "link to nothing"
DISKS_OWN = "lost+found"  # root's alone, at the top of many a disk
# A name that is too long is the name of nothing.
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


def status_of(path: Path, error: type[LlavaEvalError]) -> os.stat_result | None:
    """Return what the system knows of a file or folder, links followed; None if there is none.

    Args:
        path: Anything that somebody may have named.
        error: What to raise.

    Raises:
        LlavaEvalError: It cannot be looked at.
    """
    try:
        return patiently(path.stat, file_fault)
    except ValueError:  # a NUL byte: a name that no file can have
        return None
    except OSError as fault:
        if fault.errno in ABSENT:
            return None
        raise error(f"{path}: cannot be looked at: {why(fault)}") from fault


def kind_of(path: Path, error: type[LlavaEvalError]) -> str:
    """Return what is at a path, links followed: FILE, FOLDER, OTHER, LOST; "" if nothing is.

    Args:
        path: Anything that somebody may have named.
        error: What to raise.

    Raises:
        LlavaEvalError: It cannot be looked at.
    """
    status = status_of(path, error)
    if status is None:
        return LOST if os.path.islink(path) else ""
    if stat.S_ISDIR(status.st_mode):
        return FOLDER
    return FILE if stat.S_ISREG(status.st_mode) else OTHER


def files_in(folder: Path, pattern: str, error: type[LlavaEvalError]) -> list[Path]:
    """Return what is in a folder and has such a name, sorted; nothing if there is no folder.

    Args:
        folder: Whose folders are not entered.
        pattern: As the shell has it, such as "*.json".
        error: What to raise.

    Raises:
        LlavaEvalError: The folder cannot be looked into.
    """
    return sorted(Path(entry) for entry in entries(folder, error) if _fits(entry, pattern))


def files_below(folder: Path, pattern: str, error: type[LlavaEvalError]) -> list[Path]:
    """Return what is in a folder or below and has such a name, sorted.

    Links to other folders are not followed: they may lead round in circles.

    Raises:
        LlavaEvalError: A folder cannot be looked into: nobody knows what would be missing.
    """
    found, left = [], [folder]
    while left:
        for entry in entries(left.pop(), error):
            found += [Path(entry)] if _fits(entry, pattern) else []
            if entry.is_dir(follow_symlinks=False) and entry.name != DISKS_OWN:
                left.append(Path(entry))
    return sorted(found)


def entries(folder: Path, error: type[LlavaEvalError]) -> list[os.DirEntry[str]]:
    """Return what is in a folder; nothing if there is no folder.

    Raises:
        LlavaEvalError: It cannot be looked into.
    """

    def look() -> list[os.DirEntry[str]]:
        with os.scandir(folder) as found:
            return list(found)

    try:
        return patiently(look, file_fault)
    except OSError as fault:
        if fault.errno in ABSENT:
            return []
        raise error(f"{folder}: cannot be looked into: {why(fault)}") from fault


def _fits(entry: os.DirEntry[str], pattern: str) -> bool:
    return fnmatchcase(entry.name, pattern)


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
    except (OSError, RuntimeError, ValueError) as error:  # too long, a circle of links, a NUL byte
        raise DataError(f"{where} is no name of a file: {error}") from error
    if not path.is_relative_to(_resolved(folder)):
        raise DataError(f"{where} leads out of the data folder; not opened")
    if kind_of(path, DataError) == OTHER:
        raise DataError(f"{where} is neither a file nor a folder; not opened")
    return path


def _below(path: str, base: str) -> bool:
    return Path(path).is_relative_to(base)


@cache
def _resolved(folder: Path) -> Path:
    return folder.resolve()
