"""How long scoring takes, task by task, in full size: `python -m llava_eval.bench.scoring`.

Data and answers are invented; no model, image or network is involved. Times are the processor's
for this one process, so that what else runs on the machine hardly moves them. For VQAv2 the
official rule written out plainly runs in turns with the fast one, so that both meet the same
machine, and must give the same digits.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import resource
import sys
import tempfile
from pathlib import Path
from time import process_time

from llava_eval.answers.vqa import flat, m4c_answer, vizwiz_answer, vqa_answer
from llava_eval.bench.plain_vqa import plain_vqa_accuracy, records
from llava_eval.bench.synthetic import CASES, Case, invent
from llava_eval.predictions import load_predictions
from llava_eval.samples import read_samples
from llava_eval.scorers.vqa import VQAV2
from llava_eval.scoring import score_predictions
from llava_eval.task import load_task, task_names

ROUNDS = 10
REMEMBERED = (flat, vqa_answer, m4c_answer, vizwiz_answer)


def main(arguments: list[str] | None = None) -> int:
    """Print the table of times and the comparison with the plain rule, as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m llava_eval.bench.scoring", description=__doc__)
    known = [name for name in task_names() if name in CASES]
    parser.add_argument("--tasks", nargs="+", choices=known, default=known, metavar="TASK")
    parser.add_argument("--plain", type=int, default=20_000, help="rows for the plain rule")
    options = parser.parse_args(arguments)
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores.\n")
    print("| task | rows | scoring, s | rows per s | peak memory, MiB |")
    print("|---|---:|---:|---:|---:|")
    for task in sorted(options.tasks, key=lambda name: len(CASES) if name == "vqav2" else 0):
        case = invent(task)
        seconds = time_scoring(task, case)
        n = len(case.data.samples)
        print(f"| {task} | {n:,} | {seconds:.2f} | {n / seconds:,.0f} | {peak_memory():,} |")
    if "vqav2" in options.tasks:
        print("\n" + compare_with_plain(case, options.plain, seconds))
        print("\n" + time_reading(case))
    return 0


def time_scoring(task: str, case: Case) -> float:
    """Return the seconds of `score_predictions`, with nothing remembered from before."""
    forget()
    loaded = load_task(task)
    start = process_time()
    score_predictions(loaded, *case)
    return process_time() - start


def forget() -> None:
    """Empty what the rules remember of answers they have met."""
    for rule in REMEMBERED:
        rule.cache_clear()


def compare_with_plain(case: Case, rows: int, seconds: float) -> str:
    """Time the plain rule and the fast one in turns, on the first rows of VQAv2.

    The fast one also scores LLaVA's upload and builds records; here it starts with an empty
    memory, which a full set would fill.

    Args:
        case: VQAv2 in full size.
        rows: Of which so many are scored.
        seconds: That the full set took, summary and intervals included.

    Returns:
        One sentence.

    Raises:
        AssertionError: A score differs.
    """
    forget()
    pairs = [(s, case.predictions[s.id].text) for s in case.data.samples[:rows]]
    plain = fast = 0.0
    for first in range(0, len(pairs), max(1, len(pairs) // ROUNDS)):
        part = pairs[first : first + max(1, len(pairs) // ROUNDS)]
        noted = [records(sample.references) for sample, _ in part]
        start = process_time()
        expected = [plain_vqa_accuracy(t, r) for (_, t), r in zip(part, noted, strict=True)]
        between = process_time()
        found = [VQAV2.score(sample, text) for sample, text in part]
        plain, fast = plain + between - start, fast + process_time() - between
        for value, reading in zip(expected, found, strict=True):
            assert reading is not None
            assert abs(value - (reading.value or 0.0)) < 1e-12
    whole = plain * len(case.data.samples) / len(pairs)
    return (
        f"The rule written out plainly takes {plain:.2f} s for {len(pairs):,} rows, ours "
        f"{fast:.2f} s in turns with it ({plain / fast:.1f} times as fast; the scores are equal). "
        f"At that pace all {len(case.data.samples):,} take it {whole:.0f} s; ours took "
        f"{seconds:.2f} s with summary and intervals ({whole / seconds:.1f} times as fast)."
    )


def time_reading(case: Case) -> str:
    """Time the parsing of VQAv2's rows and answers from files of JSON lines.

    Returns:
        One sentence.
    """
    task = load_task("vqav2")
    with tempfile.TemporaryDirectory() as folder:
        rows, answers = Path(folder) / "rows.jsonl", Path(folder) / "answers.jsonl"
        _write(case, rows, answers)
        start = process_time()
        data = read_samples(task, str(rows))
        between = process_time()
        load_predictions(answers, task, data)
        end = process_time()
        size = rows.stat().st_size / 2**20
    return (
        f"Reading comes before: {len(data.samples):,} rows of {size:.0f} MiB in "
        f"{between - start:.1f} s, their answers in {end - between:.1f} s; peak memory of the "
        f"whole process {peak_memory():,} MiB."
    )


def _write(case: Case, rows: Path, answers: Path) -> None:
    with rows.open("w", encoding="utf-8") as file:
        for sample in case.data.samples:
            row = {
                "question_id": int(sample.id),
                "question": sample.question,
                "image_id": int(sample.cluster),
                "answers": records(sample.references),
                **sample.groups,
            }
            file.write(json.dumps(row) + "\n")
    with answers.open("w", encoding="utf-8") as file:
        for prediction in case.predictions.values():
            file.write(json.dumps(dataclasses.asdict(prediction)) + "\n")


def peak_memory() -> int:
    """Return the most memory that this process has held so far, in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 2**20


if __name__ == "__main__":
    sys.exit(main())
