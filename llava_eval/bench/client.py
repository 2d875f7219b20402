"""How fast requests go out and answers come in: `make bench-client`.

A server of the benchmark's own, in another process, answers every request with one word, at once
or after a tenth of a second. So what is measured is the client: its requests a second by the
clock, and its own processor time, in which the server has no part. Requests are plain texts, or
VQAv2's 5.3 questions about pictures of 640 x 480, encoded by the engine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import platform
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter, process_time

from llava_eval.bench.workloads import picture
from llava_eval.client import Client
from llava_eval.endpoint import Endpoint
from llava_eval.engines.server import ServerEngine
from llava_eval.families import FAMILIES
from llava_eval.records import ImageRef, Request
from llava_eval.replies import Chat
from llava_eval.tables import markdown_table

REPLY = json.dumps(
    {
        "model": "m",
        "choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 640, "completion_tokens": 2},
    }
).encode()
HEAD = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(REPLY)}\r\n\r\n"
CASES = (("text", 10_000, 0.0), ("text", 10_000, 0.1), ("pictures", 2_000, 0.0))
CONCURRENCY = 64
PER_IMAGE = 214_354 / 40_504
BIGGEST = 2**26  # bytes of a request


def main(arguments: list[str] | None = None) -> int:
    """Print the table of rates, as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m llava_eval.bench.client")
    parser.add_argument("--out", type=Path, default=Path("results/bench"), help="folder")
    parser.add_argument("--share", type=float, default=1.0, help="of the requests, for a dry pass")
    options = parser.parse_args(arguments)
    found = [measure(kind, int(count * options.share), delay) for kind, count, delay in CASES]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "client.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"Python {platform.python_version()}, {platform.machine()}, {CONCURRENCY} at once.\n")
    head = ["requests", "of", "server waits, s", "a second", "client's processor, ms a request"]
    print(markdown_table([head, *(_row(line) for line in found)]))
    return 0


def measure(kind: str, count: int, delay: float) -> dict[str, float | str]:
    """Send some requests.

    Args:
        kind: "text" or "pictures".
        count: How many.
        delay: Seconds until the server answers.
    """
    with _serving(delay) as url:
        client = Client(Endpoint(url, "m", concurrency=CONCURRENCY))
        requests = _requests(count, kind == "pictures")
        list(client.ask([("", Chat([], 1))]))  # what is loaded once is not measured
        start, used = perf_counter(), process_time()
        if kind == "text":
            answered = sum(1 for _ in client.ask((r.id, _chat(r)) for r in requests))
        else:
            engine = ServerEngine(client, FAMILIES["llava-1.5"], "m", None, "")
            answered = sum(len(some) for some in engine.generate(requests))
        seconds, own = perf_counter() - start, process_time() - used
    if answered != count:
        raise RuntimeError(f"{count} requests and {answered} answers")
    return {"kind": kind, "requests": count, "delay": delay, "seconds": seconds, "own": own}


def _row(line: dict[str, float | str]) -> list[str]:
    count, seconds, own = (float(line[name]) for name in ("requests", "seconds", "own"))
    rate, each = f"{count / seconds:,.0f}", f"{1000 * own / count:.2f}"
    return [f"{count:,.0f}", str(line["kind"]), f"{line['delay']}", rate, each]


def _chat(request: Request) -> Chat:
    return Chat([{"role": "user", "content": request.text}], request.max_new_tokens)


def _requests(count: int, with_pictures: bool) -> list[Request]:
    content = picture("client") if with_pictures else b""

    def image(number: int) -> ImageRef:
        # What stands behind the end of a JPEG is not looked at, but makes it another file.
        return ImageRef(str(number), lambda: content + number.to_bytes(4, "big"), str(number))

    return [
        Request(str(n), f"What is the {n}?", (image(int(n / PER_IMAGE)),) * with_pictures, 16)
        for n in range(count)
    ]


@contextlib.contextmanager
def _serving(delay: float) -> Iterator[str]:
    """Run the server in a process of its own; yield its base URL."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_serve, args=(theirs, delay), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/v1"
    finally:
        process.terminate()
        process.join()


def _serve(told: Connection, delay: float) -> None:
    """Answer every request of every connection with `REPLY`."""
    loop = asyncio.new_event_loop()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = head.split(b"content-length:")[1].split(b"\r\n")[0]
                await reader.readexactly(int(length))
                await asyncio.sleep(delay)
                writer.write(HEAD.encode() + REPLY)

    start = asyncio.start_server(answer, "127.0.0.1", 0, limit=BIGGEST)
    server = loop.run_until_complete(start)
    told.send(server.sockets[0].getsockname()[1])
    loop.run_forever()


if __name__ == "__main__":
    raise SystemExit(main())
