"""Who judged, in which words and about which answers: checked whoever reads the grades."""

import json
import re

import pytest

from llava_eval.cli import main
from llava_eval.judge_record import JudgeRecord, same_judge
from tests.canned_judge import (
    CannedJudge,
    answered_run,
    judge,
    lines_of,
    one_of,
    result_of,
    serving,
)


@pytest.fixture
def canned():
    with serving(CannedJudge(one_of(["0.5", "0.7"]))) as canned:
        yield canned


@pytest.fixture
def graded(tmp_path, canned, capsys):
    """A run of MM-Vet of which every answer has its grade."""
    folder = answered_run(tmp_path / "runs" / "mmvet", "mmvet")
    assert judge(folder, canned) == 0
    capsys.readouterr()
    return folder


def held(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".lock"}


@pytest.mark.parametrize("more", [[], ["--dry-run"], ["--judge-runs", 2]])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--judge-model", "other"], "judge is 'canned' there and 'other' now"),
        (["--judge-rules", "{rules}"], "asked is "),
    ],
)
def test_another_judge_or_other_words_are_refused_before_a_word(
    graded, canned, tmp_path, capsys, change, message, more
):
    rules = tmp_path / "prompt.txt"
    rules.write_text("Grade:\n")
    before, asked = held(graded), len(canned.asked)
    assert judge(graded, canned, *(each.format(rules=rules) for each in change), *more) == 1
    out, err = capsys.readouterr()
    assert message in err
    assert "move grades.jsonl and judge.json away to grade anew" in err
    assert (out, held(graded), len(canned.asked)) == ("", before, asked)


def change_an_answer(folder):
    """Change the third answer, as somebody may who mends a run by hand."""
    path = folder / "predictions.jsonl"
    name = json.loads(path.read_text().splitlines()[2])["id"]
    path.write_text(path.read_text().replace(f'"text": "{name}: seven', f'"text": "{name}: six'))
    return name


def about_another(folder, name):
    lines = [line["id"] for line in lines_of(folder)]
    where = f"{folder / 'grades.jsonl'}:{lines.index(name) + 1}"
    return f"{where}: the judge's reply to '{name}' is about another answer; give the answers"


@pytest.mark.parametrize("more", [[], ["--dry-run"], ["--judge-runs", "2"]])
def test_grades_of_other_answers_are_refused_by_judge(graded, canned, capsys, more):
    name = change_an_answer(graded)
    before, asked = held(graded), len(canned.asked)
    assert judge(graded, canned, *more) == 1
    out, err = capsys.readouterr()
    assert about_another(graded, name) in err
    assert (out, held(graded), len(canned.asked)) == ("", before, asked)


@pytest.mark.parametrize(
    "command",
    [
        "compare {run} {run}",
        "report {run} --format md",
        "score mmvet --data mini --predictions {run}/predictions.jsonl --grades {run}/grades.jsonl",
    ],
)
def test_grades_of_other_answers_are_refused_by_whoever_scores_with_them(graded, capsys, command):
    name = change_an_answer(graded)
    assert main(command.format(run=graded).split()) == 1
    assert about_another(graded, name) in capsys.readouterr().err


def test_grades_of_other_answers_are_refused_by_a_run_that_goes_on(tmp_path, canned, capsys):
    command = ["run", "--model", "demo", "--tasks", "mmvet", "--limit", "6", "--out", str(tmp_path)]
    folder = tmp_path / "mmvet"
    assert main([*command, *canned.flags]) == 0
    path = folder / "predictions.jsonl"
    path.write_text(path.read_text().replace('"text": "', '"text": "not ', 1))
    before = held(folder)["result.json"]
    for flags in ([], canned.flags):
        assert main([*command, *flags]) == 1
        assert "is about another answer; give the answers" in capsys.readouterr().err
    assert held(folder)["result.json"] == before


def test_grades_without_their_answer_are_refused(graded, canned, capsys):
    path = graded / "predictions.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    assert judge(graded, canned) == 1
    assert "is about an answer that is not at hand; " in capsys.readouterr().err


def test_grades_that_are_a_folder_are_one_clear_line(graded, canned, capsys):
    (graded / "grades.jsonl").unlink()
    (graded / "grades.jsonl").mkdir()
    for done, command in (
        ("read", ["compare", str(graded), str(graded)]),
        ("written", ["judge", str(graded), *canned.flags]),
    ):
        assert main(command) == 1
        assert f"grades.jsonl: cannot be {done}: Is a directory" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["resumed", "efforts"])
def test_a_judge_json_of_another_form_is_one_clear_line(graded, canned, capsys, name):
    path = graded / "judge.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: "x"}))
    assert judge(graded, canned, "--judge-runs", 2) == 1
    assert f"judge.json: {name} is 'x', must be a list" in capsys.readouterr().err


def test_a_line_that_is_not_whole_is_left_out_and_a_dry_run_leaves_it(graded, canned, capsys):
    path = graded / "grades.jsonl"
    whole = path.read_bytes().splitlines(keepends=True)
    torn = b"".join(whole[:-1]) + whole[-1][: whole[-1].index(b"replies") + 12] + b'"\xe2\x82'
    path.write_bytes(torn)
    assert judge(graded, canned, "--dry-run") == 0
    assert "calls    1, about 1 of 64 answers" in capsys.readouterr().out
    assert path.read_bytes() == torn
    assert main(["compare", str(graded), str(graded)]) == 0
    asked = len(canned.asked)
    assert judge(graded, canned) == 0
    assert (len(canned.asked) - asked, len(lines_of(graded))) == (1, 64)


# --- compare -------------------------------------------------------------------------------------


def test_two_runs_graded_by_one_command_are_compared_past_midnight_and_versions(
    tmp_path, canned, capsys
):
    sides = [answered_run(tmp_path / name, "mmvet") for name in ("a", "b")]
    answer, count = canned.answer, iter(range(1000))

    def versions(body):
        """The second version comes up while the second run is graded."""
        status, content = answer(body)
        return status, content | {"system_fingerprint": f"fp_{next(count) // 100}"}

    canned.answer = versions
    assert judge(tmp_path, canned, "--judge-concurrency", 1) == 0
    path = sides[1] / "grades.jsonl"
    day = lines_of(sides[1])[0]["at"][:10]
    path.write_text(re.sub(r'"at": "[0-9-]{10}', f'"at": "{next_day(day)}', path.read_text()))
    capsys.readouterr()
    assert main(["compare", *map(str, sides)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    told = [f"canned (canned-0314, fp_0; {day})"]
    told.append(f"canned (canned-0314, fp_0, fp_1; {next_day(day)})")
    assert " -> ".join(told) in out or all(words in out for words in told)
    assert [result_of(side)["judge"].count("fp_") for side in sides] == [1, 2]
    main(["leaderboard", str(tmp_path)])
    table = capsys.readouterr().out
    assert all(f"judge canned (canned-0314, {name}" in table for name in ("fp_0;", "fp_0, fp_1;"))


def next_day(day):
    import datetime

    return str(datetime.date.fromisoformat(day) + datetime.timedelta(days=1))


ONE = {"models": frozenset({"m-1"}), "fingerprints": frozenset("ab"), "days": ("2026-05-30",) * 2}


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"fingerprints": frozenset("bc")}, True),
        ({"fingerprints": frozenset("c")}, False),
        ({"fingerprints": frozenset()}, False),
        ({"days": ("2026-05-31", "2026-05-31")}, True),
        ({"days": ("2026-05-30", "2026-05-31")}, True),
        ({"days": ("2026-05-29", "2026-05-31")}, True),
        ({"days": ("2026-05-30", "2026-06-01")}, False),
        ({"days": ("2026-06-01", "2026-06-01")}, False),
        ({"days": ()}, False),
        ({"days": ("yesterday", "yesterday")}, False),
        ({"models": frozenset({"m-1", "m-2"})}, False),
        ({"name": "n"}, False),
        ({"weights": "0a1b", "decoding": "greedy"}, False),
    ],
)
def test_one_judge_is_one_name_and_model_a_version_in_common_and_the_same_days(changes, same):
    one = JudgeRecord("m", **ONE)
    assert same_judge(one, JudgeRecord(**({"name": "m"} | ONE | changes))) == same
    assert same_judge(JudgeRecord(**({"name": "m"} | ONE | changes)), one) == same


def test_without_fingerprints_name_model_and_days_decide():
    one, other = (
        JudgeRecord("m", models=frozenset({"m-1"}), days=(day, day))
        for day in ("2025-12-31", "2026-01-01")
    )
    assert same_judge(one, other)


def test_local_judges_are_the_same_by_weights_and_decoding_alone():
    one = JudgeRecord("m", "0a1b", "greedy in float32")
    assert same_judge(one, JudgeRecord("m", "0a1b", "greedy in float32"))
    assert not same_judge(one, JudgeRecord("m", "0a1b", "greedy in float16"))
    assert not same_judge(one, JudgeRecord("m", "0a1c", "greedy in float32"))


def test_runs_by_different_judges_are_not_compared(graded, canned, tmp_path, capsys):
    graded.rename(tmp_path / "before")
    folder = answered_run(graded, "mmvet")
    canned.fields = {"model": "canned-0613"}
    judge(folder, canned)
    capsys.readouterr()
    assert main(["compare", str(tmp_path / "before"), str(folder)]) == 4
    out = capsys.readouterr().out
    assert "canned (canned-0613; " in out
    assert "canned (canned-0314; " in out
