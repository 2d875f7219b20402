"""Paths that cannot be looked at: no permission, no such name, a network file system away."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llava_eval import retries
from llava_eval.cli import main
from llava_eval.errors import DataError, RunError
from llava_eval.paths import FILE, FOLDER, LOST, OTHER, entries, files_below, files_in, kind_of
from llava_eval.rows import read_rows
from llava_eval.samples import read_samples
from llava_eval.store import find_runs
from llava_eval.task import load_task
from tests.boards import replayed
from tests.needs import without_rights


def test_what_is_at_a_path_is_told_and_a_name_that_no_file_can_have_is_nothing(tmp_path):
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    for name, target in (("good", "file"), ("lost", "nothing"), ("round", "round")):
        (tmp_path / name).symlink_to(target)
    for name, kind in {
        "": FOLDER,
        "file": FILE,
        "good": FILE,
        "pipe": OTHER,
        "lost": LOST,
        "none": "",
        "file/below": "",
        "a" * 300: "",
        "a\0b": "",
    }.items():
        assert kind_of(tmp_path / name, RunError) == kind, name
    with pytest.raises(DataError, match="round: cannot be looked at: Too many levels"):
        kind_of(tmp_path / "round", DataError)


class Away:
    """A network file system that fails some calls."""

    def __init__(self, times, function):
        self.left, self.function = times, function

    def __call__(self, *arguments, **options):
        if self.left:
            self.left -= 1
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(arguments[0]))
        return self.function(*arguments, **options)


LOOKS = {
    "stat": lambda path: kind_of(path, DataError),
    "scandir": lambda path: entries(path, DataError),
}


@pytest.fixture
def no_pause(monkeypatch):
    monkeypatch.setattr(retries, "PAUSES", (0, 0, 0, 0))


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_that_fails_is_tried_again_and_given_up_by_name(
    tmp_path, monkeypatch, no_pause, name
):
    real = getattr(os, name)
    whole = LOOKS[name](tmp_path)
    monkeypatch.setattr(os, name, Away(4, real))
    assert LOOKS[name](tmp_path) == whole
    monkeypatch.setattr(os, name, Away(5, real))
    with pytest.raises(DataError, match=f"{tmp_path}: cannot be looked .*: Stale file handle"):
        LOOKS[name](tmp_path)


def test_files_are_found_in_a_folder_and_below_but_not_behind_links(tmp_path):
    for name in ("a.json", ".b.json", "c.txt", "deep/er/d.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "deep" / "up").symlink_to(tmp_path)
    (tmp_path / "e.json").symlink_to("c.txt")
    names = [".b.json", "a.json", "e.json"]
    assert files_in(tmp_path, "*.json", RunError) == [tmp_path / name for name in names]
    below = [".b.json", "a.json", "deep/er/d.json", "e.json"]
    assert files_below(tmp_path, "*.json", RunError) == [tmp_path / name for name in below]
    assert files_below(tmp_path / "none", "*.json", RunError) == []


@pytest.fixture
def places(tmp_path):
    """A run, and what nobody may enter."""
    replayed(tmp_path / "base" / "gqa", "gqa", {3}, "a")
    for name in ("gqa", "x", "m", "rows"):
        (tmp_path / "locked" / name).mkdir(parents=True)
    (tmp_path / "locked").chmod(0)
    yield tmp_path
    (tmp_path / "locked").chmod(0o700)


def ask(folder, *arguments):
    return subprocess.run(
        without_rights(sys.executable, "-m", "llava_eval", *arguments),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )


JUDGE = ["--judge-model", "m", "--judge-base-url", "http://127.0.0.1:9/v1"]
RUN = ["run", "--tasks", "pope", "--out", "out"]
SCORE = ["score", "gqa", "--data", "mini", "--predictions", "base/gqa/predictions.jsonl"]
LOCKED = [
    (["leaderboard", "locked/gqa"], "locked/gqa"),
    (["leaderboard", "locked"], "locked"),
    (["leaderboard", "."], "locked"),
    (["compare", "locked/gqa", "base"], "locked/gqa"),
    (["compare", "base", "locked"], "locked"),
    (["report", "locked/gqa"], "locked/gqa"),
    (["report", "base/gqa", "--out", "locked/rep"], "locked/rep"),
    (["report", "base/gqa", "--format", "md", "--out", "locked/r.md"], "locked/r.md"),
    (["submit", "locked/gqa"], "locked/gqa"),
    (["submit", "base/gqa", "--out", "locked/s"], "locked/s"),
    (["judge", "locked/gqa", *JUDGE], "locked/gqa"),
    (["explain", "locked/gqa"], "locked/gqa"),
    (["tasks", "--tasks-dir", "locked/x"], "locked/x"),
    (["tasks", "--tasks-dir", "locked"], "locked"),
    (["leaderboard", "base", "--out", "locked/t.md"], "locked/t.md"),
    (["score", "pope", "--data", "locked/p.jsonl", "--predictions", "p"], "locked/p.jsonl"),
    (["score", "pope", "--data", "locked", "--predictions", "p"], "locked"),
    (["score", "pope", "--data", "mini", "--predictions", "locked/p"], "locked/p"),
    ([*SCORE, "--json", "locked/r.json"], "locked/r.json"),
    ([*SCORE, "--scores", "locked/s.jsonl"], "locked/s.jsonl"),
    ([*SCORE, "--grades", "locked/grades.jsonl"], "locked"),
    (["judge", "base", *JUDGE, "--prices", "locked/p.yaml"], "locked/p.yaml"),
    ([*RUN, "--model", "locked/m", "--data", "mini"], "locked/m"),
    ([*RUN, "--model", "demo", "--data", "locked/rows"], "locked/rows"),
    (
        ["run", "--tasks", "pope", "--model", "demo", "--limit", "4", "--out", "locked/o"],
        "locked/o",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "where"), LOCKED, ids=lambda value: " ".join(value)[:40])
def test_what_nobody_may_enter_is_one_line_that_names_it(places, arguments, where):
    done = ask(places, *arguments)
    assert done.returncode == 1, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("llava-eval: ")]
    assert len(lines) == 1
    assert "Traceback" not in done.stderr
    assert where in lines[0]
    assert "Permission denied" in lines[0]


@pytest.mark.parametrize(
    "command", ["leaderboard", "compare", "report", "judge", "submit", "explain", "tasks"]
)
def test_a_name_that_is_too_long_is_one_line(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    name = "a" * 300
    more = {"compare": [name], "judge": JUDGE}.get(command, [])
    arguments = ["--tasks-dir", name] if command == "tasks" else [name, *more]
    assert main([command, *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1


# Data and runs of which a part is missing

POPE = load_task("pope")


@pytest.fixture
def shards(tmp_path):
    """Rows of POPE in two files, each in a folder of its own."""
    table = pq.read_table(POPE.home / POPE.mini)
    half = len(table) // 2
    for number, (folder, part) in enumerate((("a", table[:half]), ("b", table[half:]))):
        (tmp_path / "data" / folder).mkdir(parents=True)
        pq.write_table(part, tmp_path / "data" / folder / f"test-{number:05}-of-00002.parquet")
    return tmp_path / "data"


def test_a_data_folder_that_lacks_a_file_of_its_set_is_refused(shards):
    whole = len(read_samples(POPE, "mini").samples)
    assert len(read_samples(POPE, str(shards)).samples) == whole
    lost = shards / "b" / "test-00001-of-00002.parquet"
    lost.unlink()
    with pytest.raises(DataError) as error:
        read_samples(POPE, str(shards))
    assert str(error.value) == (
        f"{shards}: holds 1 of the 2 files test-*-of-00002; complete the folder, or name a "
        "file of it"
    )


@pytest.mark.parametrize(
    ("names", "whole"),
    [
        (["test-00000-of-00001", "train-00000-of-00002", "train-00001-of-00002"], True),
        (["test-00000-of-00002-0a1b", "test-00001-of-00002-ffff"], True),
        (["a/test-00000-of-00001", "b/test-00000-of-00001"], True),
        (["m-1-of-2", "m-2-of-2"], True),
        (["rows", "more"], True),
        (["test-00001-of-00002"], False),
        (["a/test-00000-of-00002", "a/test-00001-of-00002", "b/test-00000-of-00002"], False),
        (["test-00000-of-00002", "test-00002-of-00002"], False),
        (["test-00000-of-999999999"], False),
        (["test-00000-of-00000"], False),
    ],
)
def test_names_say_how_many_files_there_must_be(tmp_path, names, whole):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"id": [1]}), tmp_path / f"{name}.parquet")
    if whole:
        assert len(list(read_rows(tmp_path, ""))) == len(names)
    else:
        with pytest.raises(DataError, match="complete the folder"):
            read_rows(tmp_path, "")


@pytest.mark.slow
def test_the_folder_that_a_disk_keeps_for_itself_is_not_asked_for(tmp_path):
    replayed(tmp_path / "gqa", "gqa", {3}, "a")
    (tmp_path / "lost+found").mkdir(mode=0)
    done = ask(tmp_path, "leaderboard", ".", "--format", "csv")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_data_folder_with_a_part_that_nobody_may_enter_is_refused(shards):
    (shards / "b").chmod(0)
    done = ask(shards, "score", "pope", "--data", ".", "--predictions", "p.jsonl")
    (shards / "b").chmod(0o700)
    assert done.returncode == 1
    assert done.stderr == f"llava-eval: {shards}/b: cannot be looked into: Permission denied\n"


@pytest.mark.parametrize("name", ["run.json", "result.json"])
def test_a_run_whose_file_is_a_link_to_nothing_is_not_left_out(tmp_path, name):
    replayed(tmp_path / "pope", "pope", {3}, "a")
    (tmp_path / "pope" / name).unlink()
    (tmp_path / "pope" / name).symlink_to("elsewhere")
    with pytest.raises(RunError, match=f"{name}: is a link to a file that is not there"):
        find_runs([tmp_path])
