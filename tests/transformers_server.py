"""`transformers serve` on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def transformers_serve(folder: Path) -> Iterator[str]:
    """Serve a checkpoint as long as the context lasts; yield the base URL."""
    for last in (False, False, True):  # somebody else may take the port before the server does
        port, server, log = _start(folder)
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", server, log)
            break
        except AssertionError:
            if last or "address already in use" not in log.read_text().casefold():
                server.kill()
                raise
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(30)


def _start(folder: Path) -> tuple[int, subprocess.Popen[bytes], Path]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder.with_name("server.log")
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(folder)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    with log.open("w") as file:
        return port, subprocess.Popen(command, stdout=file, stderr=file, env=environment), log


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert server.poll() is None, log.read_text()
            time.sleep(0.5)
    raise AssertionError(log.read_text())
