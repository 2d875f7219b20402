"""What a person sees while a run goes on and when it ends."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llava_eval.bounds import show_bounds
from llava_eval.checkpoint import DEMO
from llava_eval.efforts import Effort
from llava_eval.errors import LlavaEvalError
from llava_eval.identity import unanswered
from llava_eval.records import Prediction, Result
from llava_eval.tables import one_line, printable, show, shown, text_table

if TYPE_CHECKING:
    from tqdm import tqdm

    from llava_eval.runner import Outcome, Plan

DEMO_NOTE = (
    "This is the built-in demo: a tiny model on a small split of handwritten digits.\n"
    "Its numbers show that the harness works; they are not comparable with published ones."
)


def say(text: str) -> None:
    """Print lines for a person: names and texts of others give the terminal no orders."""
    print(shown(text), flush=True)


def complain(text: str) -> None:
    """Print one line about what went wrong."""
    print(f"llava-eval: {one_line(text)}", file=sys.stderr, flush=True)


class Console:
    """A watcher that prints the plan, a progress bar and the table of a task."""

    def __init__(self) -> None:
        self.bar: tqdm[Any] | None = None

    def start(self, plan: Plan) -> None:
        """Print what is about to happen and open the progress bar."""
        from tqdm import tqdm

        say(_plan(plan))
        self.bar = tqdm(
            total=len(plan.data.samples),
            initial=plan.answered,
            unit="sample",
            file=sys.stderr,
            dynamic_ncols=True,
        )

    def advance(self, predictions: Sequence[Prediction]) -> None:
        """Move the progress bar."""
        if self.bar is not None:
            self.bar.update(len(predictions))

    def finish(self, outcome: Outcome) -> None:
        """Close the progress bar and print the table."""
        self.close()
        say(f"\n{result_table(outcome.result)}\n")
        for line in effort_lines(outcome.efforts):
            say(line)
        say(printable(f"files: {outcome.folder}"))

    def fail(self, name: str, error: LlavaEvalError) -> None:
        """Close the progress bar and say what is wrong, while somebody may be looking."""
        self.close()
        complain(f"{name}: {error}")

    def judge(self, lines: Sequence[str], calls: int) -> None:
        """Print what judging will take and open the progress bar."""
        from tqdm import tqdm

        say("\n".join(["", *map(printable, lines), ""]))
        if calls:
            self.bar = tqdm(total=calls, unit="call", file=sys.stderr, dynamic_ncols=True)

    def judged(self) -> None:
        """Move the progress bar; calls that are made again make it longer."""
        if self.bar is not None:
            self.bar.total = max(self.bar.total or 0, self.bar.n + 1)
            self.bar.update()

    def graded(self, result: Result, folder: Path) -> None:
        """Print the table of a run that has its grades."""
        say(f"\n{result_table(result)}\n")
        say(printable(f"files: {folder}"))

    def judging(self, used: str) -> None:
        """Close the progress bar and print what judging took."""
        self.close()
        say(printable(f"judge: {used}"))

    def close(self) -> None:
        """Close the progress bar, if one is open."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def _plan(plan: Plan) -> str:
    rows = [
        ("model", f"{plan.model} ({plan.identity.get('dtype', plan.identity['engine'])})"),
        ("weights", plan.identity["weights"]),
        ("task", f"{plan.task.title}, protocol {plan.task.protocol}"),
        ("split", f"{plan.data.source}, version: {plan.data.version}"),
        ("samples", f"{len(plan.data.samples):,}" + _already(plan)),
        ("device", plan.environment.get("device", "none")),
        ("batch", str(plan.environment.get("batch_size", 1))),
        ("files", str(plan.folder)),
    ]
    lines = [f"{name:<9}{printable(value)}" for name, value in rows]
    demo = plan.model == DEMO and plan.data.source == "mini"
    return "\n".join(["", *([DEMO_NOTE, ""] if demo else []), *lines, ""])


def _already(plan: Plan) -> str:
    return f", {plan.answered:,} of them answered before" if plan.answered else ""


def effort_lines(efforts: Sequence[Effort]) -> list[str]:
    """Say how fast it went, where the time went and how much memory was held.

    >>> effort_lines([Effort(90, 4.5, {"images": 2.0, "prefix": 3.0, "decode": 1.0}, 2**30)])
    ... # doctest: +NORMALIZE_WHITESPACE
    ['90 samples in 4.5 s: 20.0 a second',
     'time: prefix 75%, decode 25%; beside it, images 2.0 s',
     'memory: at most 1,024 MiB']
    """
    if not efforts:
        return []
    answered, seconds = sum(e.answered for e in efforts), sum(e.seconds for e in efforts)
    lines = [f"{answered:,} samples in {seconds:.1f} s: {answered / seconds:.1f} a second"]
    stages: Counter[str] = Counter()
    for effort in efforts:
        stages.update(effort.stages)
    images = stages.pop("images", 0)
    if stages:
        whole = sum(stages.values())
        shares = ", ".join(f"{stage} {took / whole:.0%}" for stage, took in stages.items())
        beside = f"; beside it, images {images:.1f} s" if images else ""
        lines.append(f"time: {shares}{beside}")
    peak = max(effort.peak_memory_bytes for effort in efforts)
    lines += [f"memory: at most {peak / 2**20:,.0f} MiB"] if peak else []
    return lines + [line for effort in efforts for line in usage_lines(effort.usage)]


def usage_lines(usage: Mapping[str, Any]) -> list[str]:
    """Say what a server was asked, what it cost, and whether one version of it answered.

    >>> usage_lines({"requests": 9, "retries": 1, "prompt_tokens": 5400, "new_tokens": 18})
    ['server: 9 requests, 1 retries, 5,400 prompt and 18 new tokens']
    """
    if not usage:
        return []
    tokens = f"{usage['prompt_tokens']:,} prompt and {usage['new_tokens']:,} new tokens"
    line = f"server: {usage['requests']:,} requests, {usage['retries']:,} retries, {tokens}"
    if cost := usage.get("cost"):
        line += f", {cost['sum']:.4f} {cost['currency']}"
    lines = [line]
    if empty := usage.get("empty"):
        lines.append(
            f"{empty:,} answers of the server are empty: the limit of tokens was spent before a "
            "word, as by a model that reasons first; they are scored as they are"
        )
    versions = usage.get("versions", {})
    told = ", ".join(f"{name} {count:,}" for name, count in versions.items())
    return lines + ([f"answered by several versions: {told}"] if len(versions) > 1 else [])


def result_table(result: Result) -> str:
    """Lay out a result: overall first, then its groups, then the counts.

    Args:
        result: Of one task.

    Returns:
        Lines of text: one row per group, one column per metric, 95 % intervals in brackets;
        then what the official tool prints besides.
    """
    parts = [*result.groups.items(), ("all", result.metrics)]
    # Some groups have figures of their own: a task of MME has a score, no perception.
    names = list(dict.fromkeys([*result.metrics, *(n for _, figures in parts for n in figures)]))
    rows = [[f"{result.task}, {result.unit}", *names]]
    rows += [
        [part, *(show(figures[name]) if name in figures else "" for name in names)]
        for part, figures in parts
    ]
    counts = f"{result.n:,} samples: {result.unparsed:,} unparsed, {result.failed:,} failed"
    lines = [text_table(rows), "", f"{counts}, {result.missing:,} missing"]
    lines += [f"{result.primary}: {show_bounds(result)}"] if result.bounds else []
    lines += [printable(f"{name}: {text}") for name, text in result.notes.items()]
    lines += [printable(f"graded by: {result.judge}, {result.dialect}")] if result.judge else []
    if result.drawn:
        share = f"{100 * result.n / result.full_n:.1f} %"
        lines.append(
            f"asked {result.n:,} of {result.full_n:,} questions, {share}; "
            "the intervals are for all of them"
        )
    if result.mini:
        lines.append("mini split: not comparable with published numbers")
    return "\n".join(lines + [f"not the benchmark's number: {flaw}" for flaw in _flaws(result)])


def _flaws(result: Result) -> list[str]:
    """Say what keeps a result from being the benchmark's number."""
    found = unanswered(result)
    if result.drawn:
        found.append(f"a draw of {result.n:,} samples")
    if not result.known:
        found.append(f"{result.n:,} rows are no known version of the benchmark")
    return found
