"""What half precision and sharing change on the demo: `make bench-precision`.

Every question of the demo's mini splits is answered in each precision, shared and with `--exact`
(every request alone). Counted are the answers that differ, word for word, and the scores. In
float32 sharing changes nothing; in half precision any change of the batch moves roundings, and
with them an answer now and then.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from time import process_time

from llava_eval.engines import EngineSettings, load_engine
from llava_eval.prompts import build_request
from llava_eval.records import DataSet, Prediction
from llava_eval.samples import read_samples
from llava_eval.scoring import score_predictions
from llava_eval.tables import markdown_table
from llava_eval.task import Task, load_task, task_names

Answers = dict[str, dict[str, Prediction]]  # by task and id
DTYPES = ("float32", "bfloat16", "float16")


def main(arguments: list[str] | None = None) -> int:
    """Print the table of answers and scores, as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m llava_eval.bench.precision")
    parser.add_argument("--out", type=Path, default=Path("results/bench"), help="folder")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--tasks", nargs="+", default=task_names())
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(arguments)
    data = {name: _data(load_task(name)) for name in options.tasks}
    found, seconds = {}, {}
    for dtype in DTYPES:
        for share in (False, True):
            settings = EngineSettings(
                options.model,
                dtype=dtype,
                device=options.device,
                share=share,
                batch_size=EngineSettings.batch_size if share else 1,
            )
            start = process_time()
            found[dtype, share] = _answers(settings, data)
            seconds[dtype, share] = process_time() - start
            print(f"{dtype}, shared {share}: {seconds[dtype, share]:.0f} s", file=sys.stderr)
    exact = found["float32", False]
    rows = [["answers", "differ from float32, exact", "differ from their own exact", "time"]]
    report = []
    for (dtype, share), answers in found.items():
        flips = _differing(answers, exact), _differing(answers, found[dtype, False])
        report.append(
            {
                "dtype": dtype,
                "shared": share,
                "answers": sum(map(len, answers.values())),
                "differ_from_float32_exact": flips[0],
                "differ_from_own_exact": flips[1],
                "seconds": seconds[dtype, share],
                "scores": _scores(answers, data),
            }
        )
        times = seconds[dtype, share] / seconds[dtype, True]
        rows.append(
            [f"{dtype}, {'shared' if share else 'exact'}", *map(str, flips), f"{times:.1f}"]
        )
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=2) + "\n"
    (options.out / "precision.json").write_text(text, encoding="utf-8")
    print(f"{report[0]['answers']:,} answers; time relative to the same precision, shared.\n")
    print(markdown_table(rows))
    print()
    print(_score_table(report))
    return 0


def _data(task: Task) -> tuple[Task, DataSet]:
    return task, read_samples(task, "mini")


def _answers(settings: EngineSettings, data: dict[str, tuple[Task, DataSet]]) -> Answers:
    engine = load_engine(settings)
    return {
        name: {
            p.id: p
            for batch in engine.generate([build_request(task, s) for s in rows.samples])
            for p in batch
        }
        for name, (task, rows) in data.items()
    }


def _differing(some: Answers, others: Answers) -> int:
    return sum(
        prediction.text != others[task][key].text
        for task, answers in some.items()
        for key, prediction in answers.items()
    )


def _scores(answers: Answers, data: dict[str, tuple[Task, DataSet]]) -> dict[str, float | None]:
    return {
        name: score_predictions(task, rows, answers[name])[1].headline.value
        for name, (task, rows) in data.items()
    }


def _score_table(report: list[dict[str, object]]) -> str:
    scores = [dict(one["scores"]) for one in report]  # type: ignore[call-overload]
    judged = [name for name, value in scores[0].items() if value is None]
    names = [name for name in scores[0] if name not in judged]
    rows = [["score", *(load_task(name).title for name in names)]]
    for one, found in zip(report, scores, strict=True):
        how = f"{one['dtype']}, {'shared' if one['shared'] else 'exact'}"
        rows.append([how, *(f"{found[name]:.1f}" for name in names)])
    return markdown_table(rows)


if __name__ == "__main__":
    sys.exit(main())
