"""Command lines that cannot be carried out."""

from __future__ import annotations

from tests.bad_input.case import Case, both, hub_rows, lines, nothing, score, write

ROWS = write("rows.jsonl", lines(hub_rows("pope")))
ANSWERED = both(
    ROWS,
    write("answers.jsonl", lines({"id": row["id"], "text": "Yes"} for row in hub_rows("pope"))),
)
RUN = "run --model demo --tasks pope --out {d}/out"


def _usage(command: str, where: str, what: str, advice: str = "") -> Case:
    return Case(f"llava-eval {command}".strip(), command, nothing, where, what, advice, code=2)


CASES = [
    _usage("", "COMMAND", "required", "see llava-eval --help"),
    _usage("evaluate", "'evaluate'", "invalid choice", "choose from"),
    _usage("run --model demo", "--tasks", "required", "see llava-eval run --help"),
    _usage("run --tasks pope", "--model", "required"),
    _usage("run --model '' --tasks pope", "--model", "is empty", "give demo"),
    _usage("run --model demo --tasks ''", "--tasks", "names no task", "give names"),
    _usage("run --model demo --tasks poep", "'poep'", "is not known", "did you mean 'pope'"),
    _usage("run --model demo --tasks pope,gqq", "'gqq'", "is not known", "did you mean 'gqa'"),
    _usage(f"{RUN} --limit 0", "--limit 0", "must be at least 1"),
    _usage(f"{RUN} --limit -3", "--limit -3", "must be at least 1"),
    _usage(f"{RUN} --limit few", "--limit", "invalid int value: 'few'"),
    _usage(f"{RUN} --limit {'9' * 5000}", "--limit", "invalid int value"),
    _usage(f"{RUN} --until 0", "--until 0", "must be more than 0"),
    _usage(f"{RUN} --until nan", "--until nan", "must be more than 0"),
    _usage(f"{RUN} --until inf", "--until inf", "must be more than 0"),
    _usage(f"{RUN} --until 1 --limit 9", "--until and --limit", "give one of them"),
    _usage("run --model demo --tasks mmvet --until 1", "--until", "graded by a judge", "--limit"),
    _usage(f"{RUN} --batch-size 0", "--batch-size 0", "must be at least 1"),
    _usage(f"{RUN} --batch-size 1.5", "--batch-size", "invalid int value"),
    _usage(f"{RUN} --memory 0", "--memory 0", "must be more than 0 GiB"),
    _usage(f"{RUN} --memory nan", "--memory nan", "must be more than 0 GiB"),
    _usage(f"{RUN} --memory all", "--memory", "invalid float value"),
    _usage(f"{RUN} --engine vllm", "--engine vllm", "not known", "known: hf, replay"),
    _usage(f"{RUN} --device tpu", "--device tpu", "not known", "give auto, cpu, cuda"),
    _usage(f"{RUN} --device cuda:99", "--device cuda:99", "", "here"),
    _usage(f"{RUN} --device cuda:x", "--device cuda:x", "not known"),
    _usage(f"{RUN} --device-map balanced", "--device-map balanced", "not known", "give auto"),
    _usage(f"{RUN} --device-map auto --device cpu", "--device-map", "leave --device out"),
    _usage(f"{RUN} --dtype float8", "--dtype float8", "not known", "did you mean 'float"),
    _usage(f"{RUN} --family llava", "--family llava", "not known", "did you mean 'llava"),
    _usage(f"{RUN} --tasks-dir {{d}}/none", "--tasks-dir", "no such folder"),
    _usage(f"{RUN} --data ''", "--data", "is empty", "name a file"),
    _usage("score", "task", "required", "see llava-eval score --help"),
    _usage("score pope --data x", "--predictions", "required"),
    _usage("score pope --data x --predictions y z", "z", "unrecognized arguments"),
    _usage("submit {d}/none", "none", "no run in it"),
    _usage("leaderboard {d}/none", "none", "no such folder of runs"),
    _usage("leaderboard {d} --format pdf", "--format", "invalid choice: 'pdf'", "'text', 'md'"),
    _usage("leaderboard {d} --tasks poep", "--tasks", "'poep' is not known", "did you mean 'pope'"),
    _usage("leaderboard {d} --models gpt-9", "--models", "'gpt-9' is in no row's name"),
    _usage("leaderboard {d} --sort poep", "--sort", "'poep' is no column", "did you mean 'pope'"),
    _usage("compare {d}", "CANDIDATE", "required", "see llava-eval compare --help"),
    _usage("compare {d} {d}/none", "{d}", "no run in it", "give a run folder"),
    _usage("compare {d} {d} --max-drop nan", "--max-drop nan", "must be 0 or more"),
    _usage("compare {d} {d} --max-drop -1", "--max-drop -1", "must be 0 or more"),
    _usage("compare {d} {d} --max-drop some", "--max-drop", "invalid float value"),
    _usage("explain {d}/none", "none", "no such folder of runs"),
    _usage("explain {d}", "{d}", "no finished run in it", "give a run folder"),
    _usage("explain {d} --against llava-1.5-7b", "--against", "", "published:llava-1.5-7b"),
    _usage(
        "explain {d} --against published:llava-9", "published:llava-9", "no such row", "did you"
    ),
    Case(
        "a model that is no folder",
        "run --model ./none --tasks pope --data {d}/rows.jsonl",
        ROWS,
        "./none",
        "no such folder",
        "give 'demo', a folder, or a Hub model",
    ),
    Case(
        "a model by one word",
        "run --model llava --tasks pope --data {d}/rows.jsonl",
        ROWS,
        "llava",
        "no such folder",
        "'owner/name'",
    ),
    *(
        Case(
            f"a model called {name[:9]}",
            f"run --model '{name}' --tasks pope --data {{d}}/rows.jsonl",
            ROWS,
            name[:300],
            "no such folder",
            "no name that a Hub model can have",
        )
        for name in ("an owner/a name", f"a/{'a' * 300}", "a/b--c")
    ),
    Case(
        "a file for --out",
        "run --model demo --tasks pope --out {d}/rows.jsonl",
        ROWS,
        "rows.jsonl/pope",
        "cannot be written",
        "--out",
    ),
    Case(
        "a result for a folder that is not there",
        score("pope").replace("{d}/result.json", "{d}/none/r.json"),
        ANSWERED,
        "none/r.json",
        "cannot be written: No such file or directory",
    ),
    Case(
        "a result for a folder",
        score("pope").replace("{d}/result.json", "{d}"),
        ANSWERED,
        "",
        "is no file",
        "name another",
    ),
    Case(
        "scores for a folder that is not there",
        "score pope --data {d}/rows.jsonl --predictions {d}/answers.jsonl --scores {d}/none/s",
        ANSWERED,
        "none/s",
        "cannot be written",
    ),
    Case(
        "a table for a folder that is not there",
        "leaderboard {d} --out {d}/none/table.md",
        nothing,
        "none/table.md",
        "cannot be written",
    ),
    Case(
        "predictions to replay that are not there",
        "run --model {d}/none.jsonl --engine replay --tasks pope --data mini",
        nothing,
        "none.jsonl",
        "cannot be read",
    ),
]
