"""lmms-eval's class as a contestant, in a process under the interpreter that has it.

The process gets the model as a saved checkpoint and the pictures as files, both in a temporary
folder, and requests and answers as lines of JSON; `peer` is the program.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from llava_eval.bench import peer
from llava_eval.bench.contest import Timing
from llava_eval.bench.models import make_processor
from llava_eval.engines.hf import HfEngine
from llava_eval.errors import first_line
from llava_eval.records import Request

# -I: neither this project's folder nor PYTHONPATH gets among the peer's packages.
ALONE = "-I"
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def peer_interpreter(text: str) -> Path:
    """Check that an interpreter can import lmms-eval's class: the type of `--peer-python`.

    Raises:
        argparse.ArgumentTypeError: It cannot, or is none.
    """
    command = [text, ALONE, "-c", f"import {peer.CLASS[0]}"]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text}: no interpreter: {first_line(error)}") from error
    if tried.returncode:
        reason = tried.stderr.strip().rpartition("\n")[2]
        raise argparse.ArgumentTypeError(f"{text}: cannot import lmms-eval's class: {reason}")
    return Path(text)


class Peer:
    """The running process.

    Attributes:
        versions: Of its packages.
    """

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self.versions: dict[str, str] = self._reply()

    def answer(self, requests: Sequence[Request]) -> Timing:
        """Let it answer; its seconds are of its own process.

        Its answers are left out: its prompt and pictures are not quite ours.

        Raises:
            RuntimeError: It stopped, or left a request without an answer.
        """
        asked = [self._written(request) for request in requests]
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        reply = self._reply()
        if not all(reply["answers"]):  # its loop answers "" where an exception met it
            raise RuntimeError(f"lmms-eval left a request without an answer: {self._last_words()}")
        return Timing(reply["cpu"], reply["wall"], 0, {}, {})

    def _written(self, request: Request) -> dict[str, Any]:
        paths = [self._folder / image.name for image in request.images]
        for path, image in zip(paths, request.images, strict=True):
            if not path.exists():
                path.write_bytes(image.read())
        return {
            "text": request.text,
            "images": [str(path) for path in paths],
            "max_new_tokens": request.max_new_tokens,
        }

    def _reply(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process of lmms-eval stopped: {self._last_words()}")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _last_words(self) -> str:
        log = (self._folder / "log").read_text(encoding="utf-8", errors="replace")
        return log[-2000:]


@contextmanager
def running_peer(interpreter: Path, engine: HfEngine) -> Iterator[Peer]:
    """Start lmms-eval's class around the engine's model, and stop it afterwards."""
    with TemporaryDirectory(prefix="llava-eval-peer-") as name:
        folder = Path(name)
        engine.model.save_pretrained(folder / "model")
        make_processor(engine.tokenizer).save_pretrained(folder / "model")
        with (
            (folder / "log").open("w", encoding="utf-8") as log,
            subprocess.Popen(  # noqa: S603
                [interpreter, ALONE, peer.__file__, folder / "model"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                env=os.environ | ENVIRONMENT,
            ) as process,
        ):
            try:
                yield Peer(process, folder)
            finally:
                process.kill()
