"""A judge on loopback that says what a test wants: an OpenAI-compatible server in a thread."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from llava_eval.cli import main
from llava_eval.engines.replay import ReplayEngine
from llava_eval.records import DataSet, Prediction
from llava_eval.runner import Nobody, run_task
from llava_eval.samples import read_samples
from llava_eval.task import load_task

Say = Callable[[str, float], str | int]  # last message and temperature to reply, or HTTP status


class CannedJudge:
    """What a server was asked, in order, and where it is."""

    def __init__(self, say: Say, pause: float = 0.0, **fields: Any) -> None:
        self.say, self.pause, self.fields = say, pause, fields
        self.asked: list[dict[str, Any]] = []
        self.lock = threading.Lock()
        self.url = ""

    @property
    def flags(self) -> list[str]:
        return ["--judge-model", "canned", "--judge-base-url", self.url]

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        with self.lock:
            self.asked.append(body)
        time.sleep(self.pause)
        text = body["messages"][-1]["content"]
        said = self.say(text, body["temperature"])
        if isinstance(said, int):
            return said, {"error": {"message": "canned refusal"}}
        choice = {"index": 0, "message": {"role": "assistant", "content": said}}
        usage = {"prompt_tokens": len(text) // 4, "completion_tokens": len(said.split())}
        return 200, {
            "id": "x",
            "object": "chat.completion",
            "model": "canned-0314",
            "choices": [{**choice, "finish_reason": "stop"}],
            "usage": usage,
            **self.fields,
        }


@contextmanager
def serving(judge: CannedJudge) -> Iterator[CannedJudge]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else every reply waits 40 ms for an acknowledgement

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, content = judge.answer(body)
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # killed clients
    threading.Thread(target=server.serve_forever, daemon=True).start()
    judge.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield judge
    finally:
        server.shutdown()
        server.server_close()


def one_of(replies: Sequence[str]) -> Say:
    """Say one of some replies, the same for the same words at the same temperature."""

    def say(text: str, temperature: float) -> str:
        digest = hashlib.sha256(f"{temperature:.1f} {text}".encode()).digest()
        return replies[int.from_bytes(digest[:4], "big") % len(replies)]

    return say


@cache
def mini(task: str) -> DataSet:
    return read_samples(load_task(task), "mini")


def answered_run(
    folder: Path,
    task: str,
    text: str = "{id}: seven, I think. {question}",
    failed: Sequence[str] = (),
) -> Path:
    """A finished run of a mini split, without a model: every answer is made of its question."""
    answers = {
        s.id: Prediction(s.id, text.format(id=s.id, question=s.question))
        if s.id not in failed
        else Prediction(s.id, "", "error", "no memory")
        for s in mini(task).samples
    }
    engine = ReplayEngine(answers, "r")
    run_task(load_task(task), mini(task), engine, "r", folder, False, Nobody())
    return folder


def judge(folder: Path, canned: CannedJudge, *flags: object) -> int:
    return main(["judge", str(folder), *canned.flags, *map(str, flags)])


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "grades.jsonl").read_text().splitlines()]


def result_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return found
