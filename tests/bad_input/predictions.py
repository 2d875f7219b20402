"""Files of predictions and of grades."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bad_input.case import Case, both, hub_rows, lines, score, write

GOOD = [{"id": row["id"], "prediction": "Yes"} for row in hub_rows("pope")]
LLAVA = [{"question_id": row["id"], "prompt": "?", "text": "Yes"} for row in hub_rows("pope")]
ROWS = write("rows.jsonl", lines(hub_rows("pope")))
JUDGED = write("judged.jsonl", lines(hub_rows("mmvet")))
ANSWERS = write("answers.jsonl", lines({"id": f"v1_{n}", "text": "white"} for n in range(4)))
GRADE = score("mmvet", "judged.jsonl") + " --grades {d}/grades.jsonl"


def _lines(name: str, rows: list[Any], line: int, what: str, advice: str = "") -> Case:
    spoil = both(ROWS, write("answers.jsonl", lines(rows)))
    where = f"answers.jsonl:{line}" if line else ""
    return Case(name, score("pope"), spoil, where, what, advice)


def _file(
    name: str, content: str | bytes, where: str, what: str, file: str = "answers.jsonl"
) -> Case:
    return Case(name, score("pope", answers=file), both(ROWS, write(file, content)), where, what)


def _graded(name: str, content: Any, where: str, what: str, advice: str = "") -> Case:
    text = content if isinstance(content, str) else lines(content)
    return Case(
        name, GRADE, both(JUDGED, ANSWERS, write("grades.jsonl", text)), where, what, advice
    )


def _textvqa(folder: Path) -> None:
    """Write rows of which two have the same id in LLaVA's files."""
    rows = hub_rows("textvqa")
    rows[1]["image_id"] = rows[0]["image_id"]
    write("rows.jsonl", lines(rows))(folder)


def _joined(name: str, row: dict[str, Any], what: str) -> Case:
    image = hub_rows("textvqa")[0]["image_id"]
    spoil: Callable[[Path], object] = both(
        _textvqa, write("answers.jsonl", lines([{"question_id": image, "text": "775", **row}]))
    )
    return Case(name, score("textvqa"), spoil, "answers.jsonl:1", what)


CASES = [
    Case("no predictions", score("pope"), ROWS, "answers.jsonl", "No such file"),
    Case(
        "a folder for predictions",
        score("pope"),
        both(ROWS, lambda d: (d / "answers.jsonl").mkdir()),
        "answers.jsonl",
        "Is a directory",
    ),
    _lines("no prediction at all", [], 0, "none of 4 rows", "give predictions"),
    _lines(
        "answers that all failed",
        [{**row, "error": "no"} for row in GOOD],
        0,
        "none of 4 rows",
        "--retry-failed",
    ),
    _lines("an answer twice", [*GOOD, GOOD[1]], 5, "id '1' is answered a second time"),
    _lines("an answer as number and text", [*GOOD, {**GOOD[1], "id": 1}], 5, "a second time"),
    _lines(
        "a line without an answer",
        [*GOOD[:2], {"id": "2"}],
        3,
        "has id; must have id and text",
        "question_id and text",
    ),
    _lines("a line without an id", [{"prediction": "Yes"}], 1, "has prediction; must have id"),
    _lines("a line of nothing", [{}], 1, "has no fields"),
    _lines("an answer that is null", [{"id": "0", "prediction": None}], 1, "prediction is None"),
    _lines(
        "an answer that is NaN", [{"id": "0", "prediction": float("nan")}], 1, "is nan, must be"
    ),
    _lines("an answer that is a number", [{"id": "0", "text": 1}], 1, "text is 1, must be str"),
    _lines(
        "an answer that is a list", [{"id": "0", "text": ["Yes"]}], 1, "text is ['Yes'], must be"
    ),
    _lines("an id that is a fraction", [{"id": 1.0, "text": "Yes"}], 1, "id is 1.0, must be str"),
    _lines(
        "an id that is true", [{"id": True, "text": "Yes"}], 1, "id is True, must be str or int"
    ),
    _lines("an unknown finish", [{**GOOD[0], "finish": "eos"}], 1, "finish is 'eos', must be stop"),
    _lines("a finish that is a number", [{**GOOD[0], "finish": 0}], 1, "finish is 0, must be str"),
    _lines("an error that is true", [{**GOOD[0], "error": True}], 1, "error is True, must be str"),
    _lines(
        "tokens that are a text", [{**GOOD[0], "new_tokens": "2"}], 1, "new_tokens is '2', must"
    ),
    _lines(
        "answers to other rows",
        [{"id": "99", "text": "Yes"}],
        0,
        "'99' first, belong to no row",
        "give the data that they were made from",
    ),
    _lines("answers to a row too many", [*GOOD, {"id": "4", "text": ""}], 0, "1 of 5 predictions"),
    _lines(
        "LLaVA's answers to other rows",
        [{**LLAVA[0], "question_id": 99}],
        1,
        "belongs to none",
        "give the data",
    ),
    _lines("LLaVA's answers twice", [*LLAVA, LLAVA[0]], 5, "id '0' is answered a second time"),
    _lines("LLaVA's answers without text", [{"question_id": "0"}], 1, "no 'text' here"),
    _lines("LLaVA's answers among ours", [LLAVA[0], {"id": "1"}], 2, "has id; must have"),
    _joined("LLaVA's answers without a prompt", {}, "no 'prompt' here"),
    _joined("LLaVA's answers to another prompt", {"prompt": "Who?"}, "belongs to none of the 4"),
    _file("predictions cut short", lines(GOOD)[:-9], "answers.jsonl:4", "is the file complete?"),
    _file("predictions in Latin-1", '{"id": "é"}'.encode("latin-1"), "answers.jsonl", "not UTF-8"),
    _file("predictions as a list", json.dumps(GOOD), "a.json:1", "must be an object", "a.json"),
    _file(
        "an answer by id that is null",
        '{"0": null}',
        "a.json",
        "answer to '0' is no text",
        "a.json",
    ),
    _file(
        "an answer by id twice",
        '{"0": "a", "0": "b"}',
        "a.json",
        "answered a second time",
        "a.json",
    ),
    _file("answers by id cut short", '{"0": "a", "1', "a.json:1", "not valid JSON", "a.json"),
    _file(
        "answers by id in 100,000 objects", '{"0": ' * 100_000, "a.json:1", "not readable", "a.json"
    ),
    Case("no grades", GRADE, both(JUDGED, ANSWERS), "grades.jsonl", "No such file"),
    _graded("a grade without replies", [{"id": "v1_0"}], "grades.jsonl:1", "no 'replies' here"),
    _graded(
        "a grade that is a number",
        [{"id": "v1_0", "replies": 0.5}],
        "grades.jsonl:1",
        "replies is 0.5, must be list",
    ),
    _graded(
        "replies that are numbers",
        [{"id": "v1_0", "replies": [0.5]}],
        "grades.jsonl:1",
        "replies must be a list of texts",
    ),
    _graded(
        "a grade twice",
        [{"id": "v1_0", "replies": ["1"]}] * 2,
        "grades.jsonl:2",
        "id 'v1_0' is graded a second time",
    ),
    _graded(
        "grades of other rows",
        [{"id": "v1_9", "replies": ["1"]}],
        "judged.jsonl",
        "1 of 1 grades, 'v1_9' first, belong to no row",
    ),
    _graded("a grade of no id", [{"replies": ["1"]}], "grades.jsonl:1", "no 'id' here"),
    _graded("grades cut short", '{"id": "v1_0", "rep', "grades.jsonl:1", "is the file complete?"),
    _graded("grades that are a list", "[1]\n", "grades.jsonl:1", "must be an object"),
    Case(
        "grades of a benchmark without a judge",
        score("pope") + " --grades {d}/grades.jsonl",
        both(
            ROWS,
            write("answers.jsonl", lines(GOOD)),
            write("grades.jsonl", lines([{"id": "0", "replies": []}])),
        ),
        "pope",
        "no judge scores this benchmark",
        "leave grades out",
    ),
]
