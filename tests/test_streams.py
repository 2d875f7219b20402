"""Standard output and error that are full, gone or closed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from llava_eval.store import read_predictions, read_run
from tests.boards import replayed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, as Linux has it"),
]
LOST = (
    "llava-eval: standard output: cannot be written: No space left on device; "
    "what it said is lost\n"
)


def shell(folder, line, *arguments):
    """Run a line of shell in which "$@" is a command of ours."""
    return subprocess.run(
        ["/bin/sh", "-c", line, "sh", sys.executable, "-m", "llava_eval", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path):
    replayed(tmp_path / "base" / "pope", "pope", {3}, "a")
    return tmp_path


COMMANDS = [
    "leaderboard base",
    "leaderboard base --format csv",
    "compare base base",
    "explain base",
    "report base --format md",
    "report base --no-samples --out page",
    "tasks",
    "--help",
    "run --help",
    "--version",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_output_that_cannot_be_written_is_one_line(folder, command):
    done = shell(folder, '"$@" >/dev/full', *command.split())
    assert (done.returncode, done.stderr) == (1, LOST)


RUN = ["run", "--model", "demo", "--tasks", "pope,gqa", "--limit", "12", "--out", "out"]


@pytest.mark.parametrize(
    ("where", "code", "told"),
    [
        (">/dev/full", 1, LOST),
        ("2>/dev/full", 1, ""),
        (">/dev/full 2>&1", 1, ""),
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        ("<&- >&- 2>&-", 0, ""),
    ],
)
def test_a_run_goes_on_where_nobody_can_be_told(folder, where, code, told):
    done = shell(folder, f'"$@" {where}', *RUN)
    assert done.returncode == code, done.stderr
    assert done.stderr.endswith(told)
    assert "Traceback" not in done.stderr
    for task in ("pope", "gqa"):
        run = folder / "out" / task
        assert len(read_predictions(run / "predictions.jsonl")) >= 4
        assert (run / "result.json").exists()
        assert len(read_run(run)["efforts"]) == 1
        assert (run / "run.lock").read_text().startswith("process ")  # and nothing of the table


def test_a_run_goes_on_when_its_reader_has_gone(folder):
    line = '{ "$@"; echo "code $?" >&2; } | head -1'
    done = shell(folder, line, *RUN)
    assert "code 141" in done.stderr
    assert "Traceback" not in done.stderr
    assert (folder / "out" / "gqa" / "result.json").exists()


def test_a_command_that_fails_keeps_its_code_where_nobody_can_be_told(folder):
    assert shell(folder, '"$@" >/dev/full 2>&1', "leaderboard", "none").returncode == 2
    assert shell(folder, '"$@" 2>&-', "leaderboard", "none").returncode == 2


def test_a_reader_that_has_enough_is_no_error(folder):
    done = shell(folder, '{ "$@"; echo "code $?" >&2; } | true', "leaderboard", "base")
    assert done.stderr == "code 141\n"
