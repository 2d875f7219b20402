from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from llava_eval.digests import digest_of
from llava_eval.engines.replay import ReplayEngine
from llava_eval.errors import RunError, UsageError
from llava_eval.failures import FailureLimit
from llava_eval.families import FAMILIES
from llava_eval.records import DataSet, ImageRef, Json, Prediction, Request, Sample
from llava_eval.report.browse import write_samples
from llava_eval.report.subject import read_subject
from llava_eval.report.thumbnails import distinct_images
from llava_eval.runner import Nobody, run_task
from llava_eval.samples import read_samples, taken
from llava_eval.task import load_task
from tests.conftest import pope_row

FAMILY = FAMILIES["llava-1.5"]
TEMPLATE = digest_of([FAMILY.with_image, FAMILY.text_only])
SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions. USER: "
)


class RecordedEngine(ReplayEngine):
    """Answers of others that say which conversation they were asked in."""

    def identity(self) -> Json:
        return super().identity() | {"family": "llava-1.5", "template": TEMPLATE}

    def generate(self, requests: Sequence[Request]) -> Iterator[list[Prediction]]:
        yield [answer for batch in super().generate(requests) for answer in batch]


def run(
    folder: Path, task: str, data: DataSet, answers: Callable[[int], Prediction], name: str = "a"
) -> Path:
    """Run a task: `answers` says what comes back for each place in the data."""
    found = {
        sample.id: Prediction(sample.id, (a := answers(place)).text, a.finish, a.error)
        for place, sample in enumerate(data.samples)
    }
    card, engine = load_task(task), RecordedEngine(found, name)
    limit = FailureLimit(share=1.0)
    run_task(card, data, engine, name, folder / task, False, Nobody(), failure_limit=limit)
    return folder


def yes(place: int) -> Prediction:
    return Prediction("", "Yes", "stop")


def mini(task: str) -> DataSet:
    return read_samples(load_task(task), "mini")


def rows_of(folder: Path, rows: Sequence[Json]) -> DataSet:
    """POPE's rows from a file beside its pictures."""
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "rows.jsonl").write_text(lines, encoding="utf-8")
    return read_samples(load_task("pope"), str(folder / "rows.jsonl"))


def with_images(folder: Path, files: dict[str, bytes]) -> DataSet:
    """One row for each picture."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return rows_of(folder, [pope_row(i, image=name) for i, name in enumerate(files)])


def read(out: Path, name: str) -> Any:
    """Read a script as the page does."""
    text = (out / "data" / f"{name}.js").read_text(encoding="utf-8")
    found = re.fullmatch(r'llavaEval\.put\("([^"]*)",(.*)\);\n', text)
    assert found
    assert found[1] == name
    return json.loads(found[2])


def browse(out: Path, *roots: Path, images: str = "auto") -> Path:
    write_samples(read_subject(roots), out, images)
    return out


def encoded(kind: str, mode: str = "RGB", size: tuple[int, int] = (40, 30), **more: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind, **more)
    return buffer.getvalue()


@pytest.mark.parametrize("task", ["pope", "scienceqa", "mmbench", "seedbench", "mmvet", "vqav2"])
def test_every_column_of_the_index_has_one_item_per_row(task: str, tmp_path: Path) -> None:
    data = mini(task)
    out = browse(tmp_path / "out", run(tmp_path, task, data, yes))
    index = read(out, f"{task}/index")
    columns = [index[name] for name in ("ids", "question", "reference", "image")]
    columns += [index["cluster"]["codes"], *(group["codes"] for group in index["groups"])]
    columns += [
        index["runs"][0][name] for name in ("text", "error", "parsed", "outcome", "value", "paired")
    ]
    assert {len(column) for column in columns} == {index["n"]} == {len(data.samples)}
    assert index["ids"] == [sample.id for sample in data.samples]


def test_rows_stand_in_chunks_in_the_order_of_the_index(tmp_path: Path) -> None:
    data = mini("pope")
    out = browse(tmp_path / "out", run(tmp_path, "pope", data, yes))
    chunks = [read(out, f"pope/rows-{number}") for number in (0, 1)]
    assert [len(chunk) for chunk in chunks] == [200, 124] == [read(out, "pope/index")["chunk"], 124]
    assert [row["question"] for row in chunks[1]] == [s.question for s in data.samples[200:]]


def test_the_prompt_is_the_one_that_was_sent_with_the_image_between_its_pieces(
    tmp_path: Path,
) -> None:
    data = mini("pope")
    out = browse(tmp_path / "out", run(tmp_path, "pope", data, yes))
    question = data.samples[0].question
    instruction = "Answer the question using a single word or phrase."
    assert read(out, "pope/rows-0")[0]["prompts"] == [
        [SYSTEM, f"\n{question}\n{instruction} ASSISTANT:"]
    ]
    assert read(out, "pope/index")["runs"][0]["template"] == "llava-1.5"


def test_a_question_without_an_image_has_no_picture_and_a_prompt_of_one_piece(
    tmp_path: Path,
) -> None:
    data = mini("scienceqa")
    place = next(place for place, sample in enumerate(data.samples) if not sample.images)
    out = browse(tmp_path / "out", run(tmp_path, "scienceqa", data, yes))
    assert read(out, "scienceqa/index")["image"][place] == -1
    [[prompt]] = read(out, "scienceqa/rows-0")[place]["prompts"]
    assert prompt.startswith(f"{SYSTEM}Context: ")


def _edit_run(folder: Path, **identity: Any) -> None:
    path = folder / "run.json"
    content = json.loads(path.read_text())
    content["identity"] |= identity
    path.write_text(json.dumps(content))


def test_a_run_of_another_prompt_shows_that_one_and_not_the_cards(tmp_path: Path) -> None:
    data = mini("pope")
    roots = [run(tmp_path / name, "pope", data, yes, name) for name in ("a", "b")]
    _edit_run(roots[1] / "pope", prompt={"lines": ["Q: {question}"], "question": "as_is"})
    row = read(browse(tmp_path / "out", *roots), "pope/rows-0")[0]
    assert [said["prompt"] for said in row["runs"]] == [0, 1]
    assert row["prompts"][1][1] == f"\nQ: {data.samples[0].question} ASSISTANT:"


@pytest.mark.parametrize(
    ("identity", "words"),
    [
        ({"template": ""}, "is not recorded"),
        ({"template": "the server's own"}, "is the server's own"),
        ({"template": "0123456789abcdef"}, "0123456789abcdef is not of this version"),
        ({"family": "llava-2"}, "is not of this version"),
    ],
)
def test_a_template_that_is_not_known_is_not_made_up(
    identity: dict[str, str], words: str, tmp_path: Path
) -> None:
    data = mini("pope")
    root = run(tmp_path, "pope", data, yes)
    _edit_run(root / "pope", **identity)
    out = browse(tmp_path / "out", root)
    said = read(out, "pope/index")["runs"][0]
    assert said["template"] == ""
    assert words in said["note"]
    [pieces] = read(out, "pope/rows-0")[0]["prompts"]
    assert pieces[0] == ""
    assert pieces[1].startswith(data.samples[0].question)


@pytest.mark.parametrize(
    "prompt",
    [
        {"lines": ["{question}"]},
        {"lines": ["{answer}"], "question": "as_is"},
        {"lines": ["{question"], "question": "as_is"},
        {"lines": ["{question}"], "question": "shouted"},
    ],
)
def test_a_prompt_that_cannot_be_read_is_one_line(prompt: Json, tmp_path: Path) -> None:
    root = run(tmp_path, "pope", mini("pope"), yes)
    _edit_run(root / "pope", prompt=prompt)
    with pytest.raises(RunError, match=r"run\.json: prompt"):
        browse(tmp_path / "out", root)


def test_a_picture_of_many_questions_is_kept_once(tmp_path: Path) -> None:
    data = mini("pope")  # its rows carry bytes, each its own copy
    out = browse(tmp_path / "out", run(tmp_path, "pope", data, yes))
    index = read(out, "pope/index")
    contents = [sample.images[0].read() for sample in data.samples]
    distinct = list(dict.fromkeys(contents))
    assert index["image"] == [distinct.index(content) for content in contents]
    assert index["images"]["n"] == len(distinct) < len(data.samples)
    assert [(out / name).read_bytes() for name in index["images"]["files"]] == distinct
    assert len(list((out / "images/pope").iterdir())) == len(distinct) + 1


def test_a_file_that_many_rows_name_is_told_by_its_name_without_reading_it() -> None:
    def unread() -> bytes:
        raise AssertionError("read")

    samples = [
        Sample(str(i), "?", images=(ImageRef(name, unread, key=name),))
        for i, name in enumerate(("a.png", "b.png", "a.png"))
    ]
    refs, numbers = distinct_images(samples)
    assert [ref.key for ref in refs] == ["a.png", "b.png"]
    assert [numbers[id(sample.images[0])] for sample in samples] == [0, 1, 0]


BROKEN = {
    "cut.jpg": encoded("JPEG", size=(300, 300), quality=95)[:700],
    "text.jpg": b"<script>alert(1)</script>",
    "empty.png": b"",
    "long.png": encoded("PNG", "1", (1, 60_000)),
}


def test_pictures_that_cannot_be_read_say_why_and_harm_no_other(tmp_path: Path) -> None:
    data = with_images(tmp_path, {"good.png": encoded("PNG"), **BROKEN, "gone.png": b"?"})
    (tmp_path / "gone.png").unlink()
    out = browse(tmp_path / "out", run(tmp_path / "run", "pope", data, yes))
    images = read(out, "pope/index")["images"]
    reasons = dict(images["broken"])
    assert sorted(reasons) == [1, 2, 3, 4, 5]
    assert "not a readable image" in reasons[1]
    assert "1 x 60000 pixels" in reasons[4]
    assert "No such file" in reasons[5]
    assert images["files"] == ["images/pope/0.png", "", "", "", "", ""]
    assert images["sizes"] == [40, 30] + [0, 0] * 5
    assert images["thumbs"] == [40, 30] + [128, 128] * 5
    assert sorted(path.name for path in (out / "images/pope").iterdir()) == [
        "0.png",
        "sheet-0.webp",
    ]


KINDS = {
    "jpeg": (encoded("JPEG"), "jpg"),
    "cmyk": (encoded("JPEG", "CMYK"), "jpg"),
    "png": (encoded("PNG", "RGBA"), "png"),
    "palette": (encoded("PNG", "P"), "png"),
    "gif": (encoded("GIF", "P", save_all=True, append_images=[Image.new("P", (40, 30), 1)]), "gif"),
    "webp": (encoded("WEBP"), "webp"),
    "bmp": (encoded("BMP"), "png"),
    "tiff": (encoded("TIFF"), "png"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_bytes_say_decides_the_extension_and_not_the_name(
    kind: str, tmp_path: Path
) -> None:
    content, extension = KINDS[kind]
    data = with_images(tmp_path, {"picture.html": content})
    out = browse(tmp_path / "out", run(tmp_path / "run", "pope", data, yes))
    images = read(out, "pope/index")["images"]
    assert images["broken"] == []
    assert images["files"] == [f"images/pope/0.{extension}"]
    kept = (out / images["files"][0]).read_bytes()
    assert kept == content or (kind in ("bmp", "tiff") and kept.startswith(b"\x89PNG"))


HOSTILE = [
    "../../../up",
    "/etc/passwd",
    'a"b',
    "a'b",
    "</script><script>alert(1)</script>",
    "line\u2028break",
    "half \ud83d pair",
    "nul\0",
]


def test_hostile_ids_and_texts_stay_data_and_name_no_file(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(encoded("PNG"))
    rows = [
        pope_row(i, id=text, question=text, image_source=text, category=text, image="x.png")
        for i, text in enumerate(HOSTILE)
    ]
    root = run(
        tmp_path / "run",
        "pope",
        rows_of(tmp_path, rows),
        lambda place: Prediction("", HOSTILE[place], "stop"),
    )
    out = browse(tmp_path / "out", root)
    index = read(out, "pope/index")
    shown = [index["ids"], index["question"], index["runs"][0]["text"], index["cluster"]["values"]]
    assert shown == [HOSTILE] * 4
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert names == [
        "data/pope/index.js",
        "data/pope/rows-0.js",
        "images/pope/0.png",
        "images/pope/sheet-0.webp",
    ]
    for name in names[:2]:
        text = (out / name).read_text(encoding="utf-8")
        assert not set("<>&\u2028\u2029") & set(text)


def test_failed_and_missing_predictions_say_so(tmp_path: Path) -> None:
    root = run(
        tmp_path,
        "pope",
        mini("pope"),
        lambda place: yes(0) if place else Prediction("", "", "error", "out of memory"),
    )
    path = root / "pope/predictions.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    gone = next(line for line in lines if json.loads(line)["id"] == "1")
    path.write_text("".join(line for line in lines if line != gone))
    out = browse(tmp_path / "out", root)
    said = read(out, "pope/index")["runs"][0]
    assert (said["outcome"][:3], said["value"][:3]) == ("fmr", [None, None, 1])
    failed, missing = (row["runs"][0] for row in read(out, "pope/rows-0")[:2])
    assert (failed["finish"], failed["error"], failed["text"]) == ("error", "out of memory", "")
    assert missing is None


def test_the_judges_replies_stand_beside_the_answer(tmp_path: Path) -> None:
    data = mini("mmvet")
    root = run(tmp_path, "mmvet", data, yes)
    grades = [{"id": data.samples[0].id, "replies": ["0.4", "0.6"]}]
    (root / "mmvet/grades.jsonl").write_text("".join(json.dumps(g) + "\n" for g in grades))
    out = browse(tmp_path / "out", root)
    assert read(out, "mmvet/rows-0")[0]["runs"][0]["replies"] == ["0.4", "0.6"]
    said = read(out, "mmvet/index")["runs"][0]
    assert said["outcome"] == "p" + "g" * (len(data.samples) - 1)
    assert said["value"][:2] == [0.5, None]


def test_two_draws_show_the_rows_of_both_and_who_was_not_asked(tmp_path: Path) -> None:
    data = mini("pope")
    parts = [taken(data, [data.samples[:4]]), taken(data, [data.samples[2:6]])]
    roots = [
        run(tmp_path / name, "pope", part, yes, name)
        for name, part in zip("ab", parts, strict=True)
    ]
    out = browse(tmp_path / "out", *roots)
    index = read(out, "pope/index")
    assert index["ids"] == [sample.id for sample in data.samples[:6]]
    outcomes = [said["outcome"] for said in index["runs"]]
    assert [outcome.replace("r", "w") for outcome in outcomes] == ["wwww--", "--wwww"]
    assert read(out, "pope/rows-0")[0]["runs"][1] is None


def test_rows_that_share_an_id_and_nothing_else_are_two(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(encoded("PNG"))
    data = rows_of(tmp_path, [pope_row(0, image="x.png")])
    first = taken(mini("pope"), [mini("pope").samples[:1]])
    roots = [run(tmp_path / "a", "pope", first, yes), run(tmp_path / "b", "pope", data, yes)]
    index = read(browse(tmp_path / "out", *roots), "pope/index")
    assert index["n"] == 2
    assert [name.split(" ")[0] for name in index["ids"]] == ["0", "0"]
    assert len(set(index["ids"])) == 2


def test_the_rotations_of_a_question_share_picture_and_circle(tmp_path: Path) -> None:
    data = mini("mmbench")
    index = read(browse(tmp_path / "out", run(tmp_path, "mmbench", data, yes)), "mmbench/index")
    circles = [index["cluster"]["values"][code] for code in index["cluster"]["codes"]]
    assert circles == [sample.cluster for sample in data.samples]
    pictures: dict[str, set[int]] = {}
    for circle, picture in zip(circles, index["image"], strict=True):
        pictures.setdefault(circle, set()).add(picture)
    assert {len(of) for of in pictures.values()} == {1}
    assert [group["name"] for group in index["groups"]] == ["leaf", "l2", "split"]


def test_long_texts_are_whole_in_the_rows_and_cut_in_the_index(tmp_path: Path) -> None:
    long = "word " * 2000
    root = run(tmp_path, "pope", mini("pope"), lambda place: Prediction("", long.strip(), "stop"))
    out = browse(tmp_path / "out", root)
    assert len(read(out, "pope/index")["runs"][0]["text"][0]) == 5000
    assert read(out, "pope/rows-0")[0]["runs"][0]["text"] == long.strip()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over 1,001 pictures, each of a colour of its own."""
    folder = tmp_path_factory.mktemp("many")
    files = {}
    for number in range(1001):
        buffer = io.BytesIO()
        Image.new("RGB", (8, 4), (number % 256, number // 256 * 60, 0)).save(buffer, "PNG")
        files[f"{number}.png"] = buffer.getvalue()
    return run(folder / "run", "pope", with_images(folder, files), yes)


def test_each_picture_is_in_its_cell_of_its_sheet(many: Path, tmp_path: Path) -> None:
    images = read(browse(tmp_path, many, images="thumbnails"), "pope/index")["images"]
    assert len(images["sheets"]) == 11
    for number in (0, 7, 10, 99, 100, 555, 1000):
        sheet = Image.open(tmp_path / images["sheets"][number // images["per_sheet"]])
        cell = number % images["per_sheet"]
        column, line = cell % images["columns"], cell // images["columns"]
        seen = sheet.getpixel((column * images["side"] + 4, line * images["side"] + 2))
        expected = (number % 256, number // 256 * 60, 0)
        assert all(abs(a - b) < 40 for a, b in zip(seen, expected, strict=True)), number


@pytest.mark.parametrize(
    ("images", "files", "sheets"),
    [("auto", 0, 11), ("full", 1001, 11), ("thumbnails", 0, 11), ("none", 0, 0)],
)
def test_more_than_a_thousand_pictures_are_kept_in_full_only_if_asked(
    images: str, files: int, sheets: int, many: Path, tmp_path: Path
) -> None:
    [written] = write_samples(read_subject([many]), tmp_path, images)
    index = read(tmp_path, "pope/index")
    assert (len(index["images"]["files"]), len(index["images"]["sheets"])) == (files, sheets)
    assert (written.full, written.pictures) == (files > 0, 1001)
    on_disk = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written.size == sum(path.stat().st_size for path in on_disk)
    assert index["image"] == list(range(1001))


def test_a_thousand_pictures_are_kept_in_full_by_default(many: Path, tmp_path: Path) -> None:
    lines = (many.parent / "rows.jsonl").read_text().splitlines(keepends=True)
    shutil.copytree(many.parent, tmp_path / "copy", ignore=shutil.ignore_patterns("run"))
    (tmp_path / "copy/rows.jsonl").write_text("".join(lines[:1000]))
    data = read_samples(load_task("pope"), str(tmp_path / "copy/rows.jsonl"))
    [written] = write_samples(
        read_subject([run(tmp_path / "run", "pope", data, yes)]), tmp_path / "out"
    )
    assert written.full


def test_an_unknown_way_of_keeping_pictures_is_named(tmp_path: Path) -> None:
    root = run(tmp_path, "pope", mini("pope"), yes)
    with pytest.raises(UsageError, match="--images ful: not known; did you mean 'full'"):
        browse(tmp_path / "out", root, images="ful")


@pytest.mark.slow
def test_twenty_thousand_rows_are_written_in_little_memory(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(encoded("PNG"))
    rows = [pope_row(i, image="x.png", image_source="x") for i in range(20_000)]
    answer = " ".join(["word"] * 400)
    root = run(
        tmp_path / "run",
        "pope",
        rows_of(tmp_path, rows),
        lambda place: Prediction("", f"{place} {answer}", "stop"),
    )
    subject = read_subject([root])
    tracemalloc.start()
    [written] = write_samples(subject, tmp_path / "out")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert written.size > 50e6
    assert most < 20e6


def test_rows_that_cannot_be_read_leave_the_other_tasks_their_samples(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(encoded("PNG"))
    data = rows_of(tmp_path, [pope_row(i, image="x.png") for i in range(3)])
    root = run(tmp_path / "run", "pope", data, yes)
    run(root, "mme", mini("mme"), yes)
    (tmp_path / "rows.jsonl").unlink()
    written = write_samples(read_subject([root]), tmp_path / "out")
    assert [one.task for one in written] == ["mme"]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    root = run(tmp_path, "pope", mini("pope"), yes)
    (tmp_path / "out").write_text("a file")
    with pytest.raises(RunError, match="cannot be written: Not a directory"):
        browse(tmp_path / "out", root)


def test_browsing_needs_neither_torch_nor_matplotlib() -> None:
    heavy = "('torch', 'transformers', 'matplotlib', 'jinja2', 'datasets')"
    code = f"import sys, llava_eval.report.browse; sys.exit(any(m in sys.modules for m in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
