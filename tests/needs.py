"""What some tests need of the machine: without it they are skipped, and fail where CI is set."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import NoReturn

import pytest

RIGHTS = "-dac_override,-dac_read_search"  # of root, to pass over permissions


def is_missing(what: str) -> NoReturn:
    """Skip the test; in CI, where everything is there, fail it."""
    if os.environ.get("CI"):
        pytest.fail(f"needs {what}")
    pytest.skip(f"needs {what}")


def needs(what: str, *command: str) -> None:
    """Go on only if a command is there and does what it should."""
    if shutil.which(command[0]) is None or subprocess.run(command, capture_output=True).returncode:
        is_missing(what)


def without_rights(*command: str) -> list[str]:
    """Return a command line that is held to permissions, whoever runs it."""
    if os.geteuid() != 0:
        return list(command)
    held = ["setpriv", f"--bounding-set={RIGHTS}", f"--inh-caps={RIGHTS}"]
    needs("setpriv, for root to be held to permissions", *held, "true")
    return [*held, *command]
