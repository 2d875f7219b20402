"""Files of rows: broken, cut short, in another encoding, or not what their names say."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as parquet

from tests.bad_input.case import Case, both, changed, hub_rows, lines, nothing, run, score, write

GOOD = lines(hub_rows("pope"))
# A picture in the schema of `datasets`, and a cell that holds none.
PICTURE = b"\x89PNG\r\n\x1a\n and nothing behind it"


def _parquet(rows: list[dict[str, Any]], **options: Any) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), file, **options)
    return file.getvalue()


def _with_pictures(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Number rows anew, each with what is no picture."""
    image = {"bytes": PICTURE, "path": "a.png"}
    return [{**row, "id": str(number), "image": image} for number, row in enumerate(rows)]


WHOLE = _parquet(_with_pictures(hub_rows("pope") * 50))
CUTS = sorted(random.Random(6).sample(range(1, len(WHOLE) - 1), 12))
ARROW = "data-00000-of-00001.arrow"


def _saved(change: Callable[[Path], object]) -> Callable[[Path], object]:
    """Write a `save_to_disk` folder and change something in it."""

    def spoil(folder: Path) -> None:
        datasets.Dataset.from_list(hub_rows("pope")).save_to_disk(folder / "saved")
        change(folder / "saved")

    return spoil


def _cut(name: str, keep: int) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:keep])


def _splits(folder: Path) -> None:
    rows = datasets.Dataset.from_list(hub_rows("pope"))
    datasets.DatasetDict({"test": rows, "val": rows}).save_to_disk(folder / "saved")


def _jsonl(name: str, content: str | bytes, line: int | str, what: str, advice: str = "") -> Case:
    where = f"rows.jsonl:{line}" if line else "rows.jsonl"
    return Case(name, score("pope"), write("rows.jsonl", content), where, what, advice)


def _json(name: str, content: str, where: str, what: str, advice: str = "") -> Case:
    return Case(name, score("pope", "rows.json"), write("rows.json", content), where, what, advice)


def _tsv(name: str, content: str | bytes, where: str, what: str, advice: str = "") -> Case:
    return Case(name, score("mmbench", "t.tsv"), write("t.tsv", content), where, what, advice)


def _save(name: str, change: Callable[[Path], object], what: str, advice: str = "") -> Case:
    return Case(name, score("pope", "saved"), _saved(change), "saved", what, advice)


def _parquet_case(name: str, content: bytes, what: str, where: str = "rows.parquet") -> Case:
    spoil = write("rows.parquet", content)
    return Case(name, score("pope", "rows.parquet"), spoil, where, what)


HEAD = "index\tquestion\thint\tA\tB\tanswer\tcategory\tl2-category\tsplit\timage\n"
CELLS = "1\tWhich?\t\tred\tblue\tA\tcolour\tfine\tdev\tabcd\n"
FOURTH = GOOD.splitlines(keepends=True)[3]

CASES = [
    Case("no such file of rows", score("pope"), nothing, "rows.jsonl", "no such file", "'mini'"),
    Case(
        "no name of a source",
        "score pope --data '' --predictions x",
        nothing,
        "--data",
        "empty",
        "name a file",
        code=2,
    ),
    Case(
        "a kind of file that is not read",
        score("pope", "rows.csv"),
        write("rows.csv", "a,b\n"),
        "rows.csv",
        "cannot read '.csv' files",
        "known: .parquet",
    ),
    Case(
        "an empty folder",
        score("pope", "rows"),
        lambda d: (d / "rows").mkdir(),
        "rows",
        "neither parquet files nor a save_to_disk folder",
    ),
    Case(
        "a name of 5,000 letters",
        f"score pope --data {'a' * 5000} --predictions x",
        nothing,
        "aaa",
        "no such file or folder; give 'mini'",
    ),
    _jsonl("an empty file", "", 0, "no rows in it"),
    _jsonl("blank lines only", "\n\r\n  \n", 0, "no rows in it"),
    _jsonl("a line cut short", GOOD[:-20], 4, "not valid JSON", "is the file complete?"),
    _jsonl("two objects on a line", "{} {}\n", 1, "not valid JSON (Extra data)"),
    _jsonl("single quotes", "{'id': 1}\n", 1, "not valid JSON"),
    _jsonl("a list on a line", GOOD + "[1, 2]\n", 5, "'[1, 2]' must be an object"),
    _jsonl("a number on a line", GOOD + "3\n", 5, "'3' must be an object like {...}"),
    _jsonl("a null on a line", "null\n", 1, "'null' must be an object"),
    _jsonl("NaN on a line", "NaN\n", 1, "'NaN' must be an object"),
    _jsonl("NaN for an id", lines(changed("pope", id=float("nan"))), 3, "id is nan, must be str"),
    _jsonl("Infinity for an id", lines(changed("pope", id=float("inf"))), 3, "id is inf, must be"),
    _jsonl("a fraction for an id", lines(changed("pope", id=1.5)), 3, "id is 1.5, must be str"),
    _jsonl("an id twice", GOOD + FOURTH, 5, "id '3' stands at", "rows.jsonl:4 too"),
    _jsonl("an id as text and number", GOOD + FOURTH.replace('"id": "3"', '"id": 3'), 5, "id '3'"),
    _jsonl("Latin-1", GOOD.replace("Is", "Ês").encode("latin-1"), 0, "not UTF-8", "save it as"),
    _jsonl("one line in Latin-1", GOOD.encode() + '{"a": "é"}'.encode("latin-1"), 0, "not UTF-8"),
    _jsonl("UTF-16", GOOD.encode("utf-16"), 0, "not UTF-8 (invalid start byte)", "save it as"),
    _jsonl("a parquet file", WHOLE, 0, "not UTF-8"),
    _jsonl("100,000 brackets", "[" * 100_000, 0, "not readable JSON"),
    _jsonl("a number of 5,000 digits", '{"id": ' + "9" * 5000 + "}", 1, "not readable JSON"),
    _jsonl("zero bytes", b"\0" * 100, 1, "not valid JSON"),
    _jsonl(
        "a renamed column",
        GOOD.replace('"answer"', '"label"'),
        1,
        "no 'answer' here",
        "there is id, question_id, question, label",
    ),
    _jsonl(
        "a column with escapes in its name",
        '{"a\\u001b[31m\\n": 1}\n',
        1,
        "no 'id' here; there is a\\x1b[31m\\n",
    ),
    _jsonl(
        "a byte order mark and Windows line ends, and a slip",
        b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode() + b'{"id": "4"}\r\n',
        5,
        "no 'question' here",
    ),
    _json("a list cut short", "[" + GOOD.splitlines()[0] + ",", "rows.json:1", "not valid JSON"),
    _json("an empty list", "[]", "rows.json", "no rows in it"),
    _json("a list of texts", '["a"]', "rows.json:0", "'a' must be an object"),
    _json("a list of 100,000 brackets", "[" * 100_000, "rows.json", "not readable JSON"),
    _json("a list with a number of 5,000 digits", f"[{'9' * 5000}]", "rows.json", "not readable"),
    _json(
        "one object over many lines",
        json.dumps(hub_rows("pope")[0], indent=1),
        "rows.json:1",
        "not valid JSON",
        "is the file complete?",
    ),
    *(
        _parquet_case(
            f"parquet cut at byte {cut:,} of {len(WHOLE):,}",
            WHOLE[:cut],
            "not a whole parquet file",
        )
        for cut in CUTS
    ),
    _parquet_case("an empty parquet file", b"", "not a whole parquet file"),
    _parquet_case(
        "parquet whose footer is noise",
        WHOLE[:-60] + b"\x07" * 52 + WHOLE[-8:],
        "not a whole parquet file",
    ),
    _parquet_case(
        "parquet whose pages are noise",
        WHOLE[:4] + b"\xff" * 900 + WHOLE[904:],
        "not a whole parquet file",
    ),
    _parquet_case("parquet without rows", _parquet(hub_rows("pope")[:0]), "no rows in it"),
    _parquet_case(
        "parquet without a column", _parquet([{"id": "1"}]), "no 'question' here", "rows.parquet:0"
    ),
    _parquet_case(
        "parquet of numbers",
        _parquet([{**hub_rows("pope")[0], "question": 1.5}]),
        "question is 1.5, must be str",
        "rows.parquet:0",
    ),
    _parquet_case(
        "parquet with nulls",
        _parquet([{**hub_rows("pope")[0], "question": None}]),
        "question is None, must be str",
        "rows.parquet:0",
    ),
    _parquet_case("jsonl that is called parquet", GOOD.encode(), "not a whole parquet file"),
    _parquet_case(
        "parquet whose texts are not UTF-8",
        _parquet(hub_rows("pope"), compression=None, use_dictionary=False).replace(
            b"Is", b"\xff\xfe"
        ),
        "not a whole parquet file",
    ),
    Case(
        "a folder with a broken shard",
        score("pope", "shards"),
        both(write("shards/a.parquet", WHOLE), write("shards/b.parquet", WHOLE[:99])),
        "b.parquet",
        "not a whole parquet file",
    ),
    Case(
        "a folder with a shard twice",
        score("pope", "shards"),
        both(
            write("shards/a.parquet", _parquet(hub_rows("pope"))),
            write("shards/b.parquet", _parquet(hub_rows("pope"))),
        ),
        "shards:4",
        "id '0' stands at",
    ),
    _tsv("an empty table", "", "t.tsv", "not a readable table"),
    _tsv("a header alone", HEAD, "t.tsv", "no rows in it"),
    _tsv(
        "a header without the index",
        HEAD.replace("index", "number") + CELLS,
        "t.tsv:2",
        "no 'index' here",
        "there is number, question",
    ),
    _tsv(
        "a row of more cells",
        HEAD + CELLS + "2\t" + CELLS,
        "t.tsv",
        "not a readable table",
        "Expected 10 fields in line 3, saw 11",
    ),
    _tsv("all rows of more cells", HEAD + "2\t" + CELLS, "t.tsv", "more cells than its header"),
    _tsv("a row of fewer cells", HEAD + CELLS + "2\n", "t.tsv:3", "no option in A to D"),
    _tsv(
        "a quote that is never closed",
        HEAD + CELLS.replace("Which", '"Which'),
        "t.tsv",
        "not a readable table",
        "EOF inside string",
    ),
    _tsv(
        "a quote in a text, and another one in the next row",
        HEAD + CELLS.replace("Which?", '"Which') + CELLS.replace("dev", 'dev"'),
        "t.tsv:2",
        "no option in A to D",
        "is a quote of a text never closed?",
    ),
    _tsv(
        "a table in Latin-1",
        (HEAD + CELLS.replace("red", "né")).encode("latin-1"),
        "t.tsv",
        "not a readable table",
        "utf-8",
    ),
    _tsv("a table in UTF-16", (HEAD + CELLS).encode("utf-16"), "t.tsv", "not a readable table"),
    _tsv("an index twice", HEAD + CELLS + CELLS, "t.tsv:3", "id '1' stands at", "t.tsv:2 too"),
    _tsv(
        "an index that is no number",
        HEAD + CELLS.replace("1", "one", 1),
        "t.tsv:2",
        "index is 'one', must be a whole number",
    ),
    _tsv("commas for tabs", (HEAD + CELLS).replace("\t", ","), "t.tsv:2", "no 'index' here"),
    _save("saved rows cut short", _cut(ARROW, 700), "not a whole save_to_disk folder"),
    _save("saved rows without rows", _cut(ARROW, 0), "not a whole save_to_disk folder"),
    _save("saved rows that are gone", lambda d: (d / ARROW).unlink(), "not a whole save_to_disk"),
    _save("a state cut short", _cut("state.json", 20), "not valid JSON", "is the file complete?"),
    _save("a state that is a list", write("state.json", "[1]"), "names no _data_files"),
    _save("a description cut short", _cut("dataset_info.json", 20), "not a whole save_to_disk"),
    _save(
        "a description that is gone", lambda d: (d / "dataset_info.json").unlink(), "not a whole"
    ),
    Case(
        "several splits",
        score("pope", "saved"),
        _splits,
        "saved",
        "holds several splits",
        "name the folder of one of test, val",
    ),
    Case(
        "broken list of splits",
        score("pope", "saved"),
        both(_splits, write("saved/dataset_dict.json", "{")),
        "saved",
        "holds several splits",
    ),
    Case(
        "pictures that are none, in parquet",
        run("pope", "rows.parquet", "demo"),
        write("rows.parquet", WHOLE),
        "pope",
        "not a readable image",
    ),
    Case(
        "pictures that are none, in base64",
        run("mmbench", "t.tsv", "demo"),
        write("t.tsv", HEAD + CELLS),
        "mmbench",
        "not a readable image",
    ),
    Case(
        "pictures that are not base64",
        run("mmbench", "t.tsv", "demo"),
        write("t.tsv", HEAD + CELLS.replace("abcd", "a picture!")),
        "mmbench",
        "not base64",
    ),
    Case(
        "pictures in a script of their own",
        run("mmbench", "t.tsv", "demo"),
        write("t.tsv", HEAD + CELLS.replace("abcd", "图片")),
        "mmbench",
        "not base64",
    ),
    Case(
        "a picture that is not there",
        run("pope", "rows.jsonl", "demo"),
        write("rows.jsonl", lines([{**row, "image": "a.png"} for row in hub_rows("pope")])),
        "a.png",
        "No such file",
    ),
    Case(
        "rows without a picture",
        run("pope", "rows.jsonl", "demo"),
        write("rows.jsonl", GOOD),
        "rows.jsonl",
        "no image in column 'image'",
    ),
]
