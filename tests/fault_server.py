"""A small OpenAI-compatible server that does what servers do when they fail.

It answers each chat with `ANSWER` of its last text, unless its plan names a fault for that text
and try. It speaks HTTP by hand, so that it can cut a reply short or hang up at any byte.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

ANSWER = "answer to {}"
DRIPS = 200  # of 50 ms
ENDLESS = 2**10  # times 64 KiB
REFUSALS = {
    "max_tokens": "Unsupported parameter: 'max_tokens' is not supported with this model. "
    "Use 'max_completion_tokens' instead.",
    "temperature": "Unsupported value: 'temperature' does not support 0.0 with this model. "
    "Only the default (1) value is supported.",
}
ODD_USAGE = {"prompt_tokens": 10**400, "completion_tokens": -1_000_000, "total_tokens": True}
Plan = Callable[[str, int], str]


def no_faults(text: str, attempt: int) -> str:
    return ""


def text_of(body: dict[str, Any]) -> str:
    """The last text of a chat."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else content[-1]["text"]


def completion(text: Any, finish: str = "stop", **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "served-1",
        "system_fingerprint": "fp_1",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": usage,
    } | more


def error(message: str, **more: str) -> dict[str, Any]:
    return {"error": {"message": message} | more}


class FaultServer:
    """A server on loopback.

    plan: text and number of the try (from 0) -> name of a fault in `_reply`, or "" for an answer.
    delay: seconds before every answer.
    model: what it calls its model.
    sent: bytes of endless replies.
    """

    def __init__(self, plan: Plan = no_faults, delay: float = 0.0, model: str = "served-1") -> None:
        self.plan, self.delay, self.model = plan, delay, model
        self.tries: Counter[str] = Counter()
        self.answered: list[dict[str, Any]] = []
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[str] = []
        self.connections = self.busy = self.busiest = self.sent = 0

    def __enter__(self) -> FaultServer:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        start = asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**26)
        self.server = asyncio.run_coroutine_threadsafe(start, self.loop).result()
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def _stop(self) -> None:
        self.server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._serve_one(reader, writer):
                pass
        except (asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False: hang up."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        length = int({k.lower(): v for k, v in fields.items()}.get("content-length", 0))
        body = json.loads(await reader.readexactly(length))
        self.headers.append(head)
        self.bodies.append(body)
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            await asyncio.sleep(self.delay)
            return await self._reply(writer, body)
        finally:
            self.busy -= 1

    def _authorization(self) -> str:
        lines = self.headers[-1].split("\r\n")
        return next(line for line in lines if line.lower().startswith("authorization"))

    async def _reply(self, writer: asyncio.StreamWriter, body: dict[str, Any]) -> bool:
        text = text_of(body)
        fault = self.plan(text, self.tries[text])
        self.tries[text] += 1
        if not fault:
            self.answered.append(body)
            return await send(writer, 200, completion(ANSWER.format(text), model=self.model))
        kind, _, detail = fault.partition(" ")
        if kind.isdecimal():  # "429 2": status and Retry-After, or Location
            name = "Location" if "/" in detail else "Retry-After"
            headers = {name: detail} if detail else {}
            return await send(writer, int(kind), error(f"fault {kind}"), headers)
        if kind == "quota":
            return await send(writer, 429, error("no money", code="insufficient_quota"))
        if kind.startswith("echo-"):  # some gateways repeat a wrong key, detail: how far behind
            told = "x" * int(detail) + self._authorization()
            return await send(writer, int(kind.removeprefix("echo-")), error(told))
        if kind == "slow":
            await asyncio.sleep(float(detail))
            return await send(writer, 200, completion("too late"))
        if kind == "drip":  # a byte now and then, for longer than anybody here waits
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            for _ in range(DRIPS):
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
            return False
        if kind == "refused" and detail in body:  # as later models of OpenAI do
            return await send(writer, 400, error(REFUSALS[detail]))
        if kind == "refused":
            self.answered.append(body)
            return await send(writer, 200, completion(ANSWER.format(text)))
        if kind == "told-key":  # in every place that is kept
            key = self._authorization().split()[-1]
            told = completion(f"you sent {key}", model=f"m of {key}", system_fingerprint=key)
            return await send(writer, 200, told)
        if kind == "gzip":
            packed = gzip.compress(json.dumps(completion("packed")).encode())
            return await send(writer, 200, packed, {"Content-Encoding": "gzip"})
        if kind == "endless":  # without a length, until the client hangs up
            writer.write(f"HTTP/1.1 {detail} X\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
            for _ in range(ENDLESS):
                writer.write(b"10000\r\n" + b" " * 2**16 + b"\r\n")
                await writer.drain()
                self.sent += 2**16
            return False
        if kind == "truncated":
            return await send(writer, 200, completion(ANSWER.format(text)), cut=20)
        if kind == "dropped":
            return False
        if kind == "malformed":
            return await send(writer, 200, b'{"choices": [{"mess')
        if kind == "html":
            return await send(
                writer, 200, b"<html>Bad gateway</html>", {"Content-Type": "text/html"}
            )
        replies: dict[str, Any] = {
            "no-choices": completion("", choices=[]),
            "null-choices": completion("", choices=None),
            "null": completion(None),
            "spent": completion(None, "length"),
            "empty": completion("", "length"),
            "parts": completion([{"type": "text", "text": "in "}, {"type": "text", "text": "two"}]),
            "odd-usage": completion(ANSWER.format(text), usage=ODD_USAGE),
            "filtered": completion(None, "content_filter"),
            "length": completion("cut short", "length"),
            "no-usage": completion("no usage", usage=None, system_fingerprint=None),
            "error-200": error("overloaded"),
            "list": [],
        }
        return await send(writer, 200, replies[kind])


async def send(
    writer: asyncio.StreamWriter,
    status: int,
    content: Any,
    headers: dict[str, str] | None = None,
    cut: int = 0,
) -> bool:
    """Send a reply, or all but the last `cut` bytes of it; say whether the line stays open."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    fields = {"Content-Type": "application/json"} | (headers or {})
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body[: len(body) - cut])
    await writer.drain()
    return not cut
