"""Runs that are killed at any moment lose what was in flight, and nothing else."""

import fcntl
import json
import random
import signal

import pytest

from tests.killing import TASKS, Moment, answers, end_at, moments, start, whole_lines

pytestmark = pytest.mark.slow


def finish(out, hooks):
    process = start(out, hooks)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return output


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    out = tmp_path_factory.mktemp("uninterrupted")
    finish(out, out / "hooks")
    return out


def check_same(out, uninterrupted):
    for task in TASKS:
        assert answers(out / task) == answers(uninterrupted / task)
        for name in ("result.json", "scores.jsonl"):
            assert (out / task / name).read_bytes() == (uninterrupted / task / name).read_bytes()
        assert not list((out / task).glob("*.part"))


def test_a_run_killed_twenty_times_ends_with_the_answers_and_numbers_of_one_never_killed(
    tmp_path, uninterrupted
):
    out, killed = tmp_path / "out", []
    for moment in moments(seed=6):
        before = {task: whole_lines(out / task) for task in TASKS}
        process = end_at(out, tmp_path / "hooks", moment)
        assert process.returncode == -signal.SIGKILL, f"{moment}: {process.errors}"
        after = {task: whole_lines(out / task) for task in TASKS}
        # What was on disk stays there, in its place: it is not asked again.
        assert all(after[task][: len(before[task])] == before[task] for task in TASKS), moment
        for task in TASKS:  # a result is whole or not there
            if (out / task / "result.json").exists():
                assert json.loads((out / task / "result.json").read_text())["missing"] == 0
        killed.append((moment.stage, sum(map(len, after.values()))))
    print(killed)
    output = finish(out, tmp_path / "hooks")
    assert len(killed) == 20
    assert {stage for stage, _ in killed} == {"loading", "generating", "scoring", "writing"}
    assert "324 of them answered before" in output
    check_same(out, uninterrupted)


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "told to end (SIGTERM)"),
    ],
)
def test_ctrl_c_and_sigterm_end_with_one_line_and_let_the_folder_go(
    tmp_path, uninterrupted, number, code, words
):
    chance, out = random.Random(number), tmp_path / "out"
    for moment in (
        Moment("loading", "import", "transformers"),
        Moment("generating", "open", "pope/predictions.jsonl a", chance.randint(2, 6), later=0.01),
        Moment("generating", "open", "pope/predictions.jsonl a", chance.randint(2, 6)),
        Moment("scoring", "os.rename", "pope/run.json.", 2),
        Moment("writing", "os.rename", "pope/result.json.", 1),
    ):
        process = end_at(out, tmp_path / "hooks", moment, number)
        assert process.returncode == code, process.errors
        assert process.errors.splitlines()[-1] == (
            f"llava-eval: {words}; the same command continues"
        )
        assert "Traceback" not in process.errors
        if (out / "pope").exists():
            with (out / "pope" / "run.lock").open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finish(out, tmp_path / "hooks")
    check_same(out, uninterrupted)
