"""llava-eval judge against a real server on loopback: what is asked, stored, scored, resumed."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from llava_eval.cli import main
from llava_eval.judges.layouts import LAYOUTS
from llava_eval.judges.wording import choose_wording
from llava_eval.predictions import load_grades
from llava_eval.records import Prediction
from llava_eval.scorers import SCORERS
from llava_eval.scorers.base import score_sample
from llava_eval.task import load_task
from tests.canned_judge import (
    CannedJudge,
    answered_run,
    judge,
    lines_of,
    mini,
    one_of,
    result_of,
    serving,
)

LLAVA_BENCH, MMVET, MMBENCH = (load_task(name) for name in ("llava_bench", "mmvet", "mmbench"))
DATA = {task.name: mini(task.name) for task in (LLAVA_BENCH, MMVET, MMBENCH)}
RATED = (
    "8 7\nboth see the digit",
    "9 4.5",
    "8, 7",
    "8,6\nin short",
    "10 10\n\nequal",
    "12 11\nbeyond the scale",
    "7  6",
    "Assistant 1: 8, Assistant 2: 7",
    "",
    "-3 5",
)
GRADED = ("0.5", "1.0", "0.0", "1.5", "-0.1", "0.7 since", "Good", "", "10", "0.3\n", "1/2")


@pytest.fixture
def make_run(tmp_path):
    """A finished run of a task, without a model: every answer is made of its question."""
    return lambda task, **how: answered_run(tmp_path / "runs" / task.name, task.name, **how)


def chat_of(task, sample, folder, replies=(), runs=1):
    """What the protocol asks about a sample, from the run's own files."""
    rows = map(json.loads, (folder / "predictions.jsonl").read_text().splitlines())
    answers = {row["id"]: row["text"] for row in rows}
    texts = choose_wording(task, task.judge).texts
    asks = LAYOUTS[task.judge.layout].asks
    return asks(task.judge, texts, sample, answers[sample.id], replies, runs)


# --- the official tools, written down from what they do -----------------------------------------


def official_pair(review):
    words = review.split("\n")[0].replace(",", " ").split(" ")
    try:
        return [float(words[0]), float(words[1])] if len(words) == 2 else [-1, -1]
    except ValueError:
        return [-1, -1]


def official_relative(pairs):
    one, two = (round(value, 3) for value in np.asarray(pairs).mean(0).tolist())
    return f"{round(two / one * 100, 1)} {round(one * 10, 1)} {round(two * 10, 1)}"


def official_correctness(say, text):
    """MM-Vet's loop: five replies are read, then the score is 0.0."""
    temperature, content, tries = 0.0, say(text, 0.0), 1
    while True:
        try:
            score = float(content.split(" ")[0].strip())
            assert 0.0 <= score <= 1.0
        except (ValueError, AssertionError):
            content = say(text + "\nPredict the correctness of the answer (digit): ", temperature)
            tries, temperature = tries + 1, temperature + 0.5
            if tries > 5:
                return 0.0
        else:
            return score


def test_canned_reviews_give_what_llavas_scripts_print_to_the_last_digit(make_run):
    folder, say = make_run(LLAVA_BENCH), one_of(RATED)
    with serving(CannedJudge(say)) as canned:
        assert judge(folder, canned) == 0
    reviews = {
        s.id: say(chat_of(LLAVA_BENCH, s, folder)[0].messages[-1]["content"], 0.2)
        for s in DATA["llava_bench"].samples
    }
    pairs = {name: official_pair(review) for name, review in reviews.items()}
    found = result_of(folder)
    assert found["notes"]["official: all"] == official_relative(list(pairs.values()))
    for category in ("complex", "conv", "detail"):
        members = [s for s in DATA["llava_bench"].samples if s.groups["category"] == category]
        printed = official_relative([pairs[s.id] for s in members])
        assert found["notes"][f"official: {category}"] == printed
    unread = sum(pair == [-1, -1] for pair in pairs.values())
    assert unread > 10
    assert (found["unparsed"], found["metrics"]["relative_score"]["n"]) == (unread, 72 - unread)
    assert found["notes"]["judge"] == f"72 replies, {unread} unreadable"
    kept = np.asarray([pair for pair in pairs.values() if pair != [-1, -1]])
    value = 100 * kept[:, 1].sum() / kept[:, 0].sum()
    assert found["metrics"]["relative_score"]["value"] == pytest.approx(value, abs=1e-12)


def test_canned_grades_and_their_tries_give_what_mmvets_evaluator_prints(make_run):
    folder, say = make_run(MMVET), one_of(GRADED)
    with serving(CannedJudge(say)) as canned:
        assert judge(folder, canned) == 0
    texts = {
        s.id: chat_of(MMVET, s, folder)[0].messages[-1]["content"] for s in DATA["mmvet"].samples
    }
    scores = {name: official_correctness(say, text) for name, text in texts.items()}
    total = np.cumsum(list(scores.values()))[-1] / 64 * 100
    found = result_of(folder)
    assert f"total {np.round(total, 1)}, std 0.0" in found["notes"]["official"]
    assert found["metrics"]["official_score"]["value"] == pytest.approx(total, abs=1e-12)
    unread = sum(len(line["replies"]) for line in lines_of(folder)) - len(canned.asked)
    assert unread == 0  # every reply that was paid for is on disk
    replies = load_grades(folder / "grades.jsonl")
    given_up = [
        name
        for name, said in replies.items()
        if len(said) == 5 and said[-1] not in ("0.5", "1.0", "0.0", "0.7 since", "0.3\n")
    ]
    assert given_up
    assert found["unparsed"] == len(given_up)
    kept = [score for name, score in scores.items() if name not in given_up]
    value = 100 * sum(kept) / len(kept)
    assert found["metrics"]["score"]["value"] == pytest.approx(value, abs=1e-12)


def test_mmvet_is_asked_again_with_the_suffix_and_rising_temperature(make_run):
    folder = make_run(MMVET)
    with serving(CannedJudge(lambda text, temperature: "No idea")) as canned:
        judge(folder, canned, "--judge-concurrency", 1)
    first = chat_of(MMVET, DATA["mmvet"].samples[0], folder)[0].messages[0]["content"]
    about = [body for body in canned.asked if body["messages"][-1]["content"].startswith(first)]
    assert [body["temperature"] for body in about] == [0, 0, 0.5, 1, 1.5]
    again = "\nPredict the correctness of the answer (digit): "
    ends = [body["messages"][-1]["content"].removeprefix(first) for body in about]
    assert ends == ["", again, again, again, again]
    assert {(body["max_tokens"], len(body["messages"])) for body in about} == {(3, 1)}


def test_a_review_is_asked_for_in_the_layout_of_the_script(make_run):
    folder = make_run(LLAVA_BENCH)
    with serving(CannedJudge(one_of(["8 7"]))) as canned:
        judge(folder, canned)
    sample = DATA["llava_bench"].samples[0]
    text = (
        f"[Context]\n{sample.hint}\n\n[Question]\n{sample.question}\n\n"
        f"[Assistant 1]\n{sample.references[0]}\n\n[End of Assistant 1]\n\n"
        f"[Assistant 2]\n{sample.id}: seven, I think. {sample.question}\n\n"
        f"[End of Assistant 2]\n\n[System]\n{LLAVA_BENCH.judge.wording}\n\n"
    )
    system = "You are a helpful and precise assistant for checking the quality of the answer."
    (body,) = [body for body in canned.asked if body["messages"][1]["content"] == text]
    assert body["messages"][0] == {"role": "system", "content": system}
    assert (body["temperature"], body["max_tokens"], body["model"]) == (0.2, 1024, "canned")


def test_ground_truths_are_spaced_as_the_evaluator_spaces_them(make_run):
    folder = make_run(MMVET)
    sample = next(s for s in DATA["mmvet"].samples if "<OR>" in s.references[0])
    text = chat_of(MMVET, sample, folder)[0].messages[0]["content"]
    one, other = sample.references[0].split("<OR>")
    answer = f"{sample.id}: seven, I think. {sample.question}"
    row = f"{sample.question} | {one} <OR> {other} | {answer} | "
    assert text == f"{MMVET.judge.wording}\n{row}"


# --- never twice, never lost ---------------------------------------------------------------------


def start(folder, canned, *flags):
    command = [sys.executable, "-m", "llava_eval", "judge", str(folder), *canned.flags, *flags]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_judge_that_is_killed_goes_on_and_asks_only_what_is_missing(make_run):
    folder = make_run(LLAVA_BENCH)
    with serving(CannedJudge(one_of(RATED), pause=0.05)) as canned:
        process = start(folder, canned, "--judge-concurrency", "4")
        path = folder / "grades.jsonl"
        while not path.exists() or path.read_bytes().count(b"\n") < 15:
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(0.2)  # what was on its way has arrived
        held = path.read_bytes()
        stored, first = held.count(b"\n"), len(canned.asked)
        path.write_bytes(held + b'{"id": "3", "replies": ["8')  # as a torn page would leave it
        assert 15 <= stored < 72
        assert first - stored <= 4
        assert judge(folder, canned) == 0
    assert len(canned.asked) - first == 72 - stored
    assert sorted(line["id"] for line in lines_of(folder)) == sorted(
        s.id for s in DATA["llava_bench"].samples
    )
    assert (result_of(folder)["ungraded"], path.read_bytes().startswith(held)) == (0, True)


def test_a_judge_is_never_asked_twice_and_more_runs_ask_only_what_they_add(make_run, capsys):
    folder = make_run(MMVET, failed=("v1_3",))
    with serving(CannedJudge(one_of(["0.5"]))) as canned:
        counts = []
        for flags in ([], [], ["--judge-runs", 3], ["--judge-runs", 2]):
            assert judge(folder, canned, *flags) == 0
            counts.append(len(canned.asked))
    assert counts == [63, 63, 189, 189]  # what failed is not judged
    assert "calls    0: nothing is left to ask" in capsys.readouterr().out


def test_what_several_runs_differ_by_is_in_the_interval(make_run):
    one, three = iter(range(10_000)), []
    folder = make_run(MMVET)
    with serving(CannedJudge(one_of(["0.5"]))) as canned:
        judge(folder, canned)
        three.append(result_of(folder)["metrics"]["score"])
        canned.say = lambda *_: ("0.9", "0.1")[next(one) // 64]
        judge(folder, canned, "--judge-runs", 3, "--judge-concurrency", 1)
        three.append(result_of(folder)["metrics"]["score"])
    alone, together = three
    assert (alone["value"], together["value"]) == (50, pytest.approx(50))
    # All questions agree: all that is open is what the runs differ by, 0.4 x 100 / sqrt(3).
    assert alone["error"] < 1
    assert together["error"] == pytest.approx(40 / 3**0.5, rel=0.05)
    assert together["high"] - together["low"] > 40


@pytest.mark.parametrize("status", [400, 422])
def test_a_call_that_fails_is_no_grade_and_is_made_again_by_the_next_command(
    make_run, capsys, status
):
    folder, first = make_run(MMVET), iter(range(10_000))
    with serving(CannedJudge(lambda *_: status if next(first) % 7 == 0 else "0.5")) as canned:
        assert judge(folder, canned, "--judge-concurrency", 1) == 1
        assert "10 calls failed, the reasons are in grades.jsonl" in capsys.readouterr().err
        found = result_of(folder)
        assert (found["ungraded"], found["complete"], found["unparsed"]) == (10, False, 0)
        assert found["metrics"]["official_score"]["n"] == 54
        asked = len(canned.asked)
        canned.say = one_of(["0.5"])
        assert judge(folder, canned) == 0
    assert len(canned.asked) - asked == 10
    assert result_of(folder)["ungraded"] == 0
    assert sum("canned refusal" in line.get("error", "") for line in lines_of(folder)) == 10


def test_runs_that_failed_are_made_up_for_and_the_others_are_kept(make_run):
    folder, first = make_run(LLAVA_BENCH), iter(range(10_000))
    with serving(CannedJudge(lambda *_: 400 if next(first) % 7 == 0 else "8 7")) as canned:
        assert judge(folder, canned, "--judge-runs", 3, "--judge-concurrency", 1) == 1
        failed = sum("error" in line for line in lines_of(folder))
        assert (failed, len(canned.asked)) == (31, 216)
        canned.say = one_of(["8 7"])
        assert judge(folder, canned, "--judge-runs", 3) == 0
    assert len(canned.asked) == 216 + 31
    assert {len(said) for said in load_grades(folder / "grades.jsonl").values()} == {3}


def test_a_judge_that_fails_call_after_call_is_broken(make_run, capsys):
    folder = make_run(MMVET)
    with serving(CannedJudge(lambda *_: 400)) as canned:
        assert judge(folder, canned, "--judge-concurrency", 1) == 1
    assert "stopped after 10 failed calls of the judge in a row" in capsys.readouterr().err
    assert len(canned.asked) <= 12


# --- whose number it is --------------------------------------------------------------------------


def test_name_reported_version_and_day_are_part_of_the_numbers_identity(make_run, capsys):
    folder = make_run(LLAVA_BENCH)
    with serving(CannedJudge(one_of(["8 7"]), system_fingerprint="fp_7")) as canned:
        judge(folder, canned)
    found, line = result_of(folder), lines_of(folder)[0]
    assert found["judge"] == f"canned (canned-0314, fp_7; {line['at'][:10]})"
    assert found["dialect"].startswith("own wording ")
    assert (line["model"], line["system_fingerprint"], line["temperature"]) == (
        "canned-0314",
        "fp_7",
        0.2,
    )
    assert line["prompt_tokens"] > 0
    capsys.readouterr()
    main(["leaderboard", str(folder.parent)])
    table = capsys.readouterr().out
    assert f"judge {found['judge']} instead of gpt-4-0314" in table
    assert f"dialect {found['dialect']} instead of llava" in table


def test_replies_that_somebody_put_there_are_not_added_to(make_run, capsys):
    folder = make_run(MMVET)
    (folder / "grades.jsonl").write_text('{"id": "v1_0", "replies": ["0.5"]}\n')
    with serving(CannedJudge(one_of(["0.5"]))) as canned:
        assert judge(folder, canned) == 1
    assert "who the judge was is not known" in capsys.readouterr().err
    assert not canned.asked


# --- MMBench -------------------------------------------------------------------------------------


def test_mmbench_is_matched_only_on_request_and_only_where_the_rules_read_nothing(make_run, capsys):
    folder = make_run(MMBENCH, text="{id}: whatever it shows")
    open_ones = result_of(folder)["unparsed"]
    assert open_ones > 50
    with serving(CannedJudge(one_of(["A", "B.", "The answer is C", "Z", "no idea"]))) as canned:
        assert judge(folder, canned) == 2
        assert "nothing for a judge" in capsys.readouterr().err
        assert judge(folder, canned, "--match") == 0
        asked = len(canned.asked)
        assert judge(folder, canned, "--match") == 0
    assert (asked, len(canned.asked)) == (open_ones, open_ones)
    found = result_of(folder)
    samples = {s.id: s for s in DATA["mmbench"].samples}
    letters = {"A": "A", "B.": "B", "The answer is C": "C", "Z": "Z", "no idea": ""}
    said = {line["id"]: letters[line["replies"][0]] for line in lines_of(folder)}
    # A letter that the question does not have is not read.
    known = {i: letter in "ABCD"[: len(samples[i].choices)] + "Z" for i, letter in said.items()}
    read = {i: letter for i, letter in said.items() if letter and known[i]}
    assert found["unparsed"] == open_ones - len(read) > 0
    words = f"read {len(read)} of {open_ones} answers that the rule left open"
    assert found["notes"]["judge"] == words
    assert found["dialect"].startswith("matching ")
    for line in (folder / "scores.jsonl").read_text().splitlines():
        row = json.loads(line)
        assert row["parsed"] == read.get(row["id"])
        assert row["value"] == float(row["parsed"] == samples[row["id"]].references[0])


def test_what_the_rules_read_is_not_for_a_judge_to_say():
    sample = DATA["mmbench"].samples[0]
    right = sample.references[0]
    wrong = "A" if right == "B" else "B"
    said = {
        text: score_sample(SCORERS["mmbench"], sample, Prediction(sample.id, text), (right,))
        for text in (wrong, "who knows")
    }
    assert (said[wrong].parsed, said[wrong].value) == (wrong, 0)
    assert (said["who knows"].parsed, said["who knows"].value) == (right, 1)


def test_a_matched_number_is_marked_in_its_column(make_run, capsys):
    folder = make_run(MMBENCH, text="{id}: whatever it shows")
    with serving(CannedJudge(one_of(["A"]))) as canned:
        judge(folder, canned, "--match")
    main(["leaderboard", str(folder.parent)])
    assert "dialect matching " in capsys.readouterr().out


# --- run -----------------------------------------------------------------------------------------


def test_run_judges_at_the_end_and_names_the_command_where_no_judge_is_configured(tmp_path, capsys):
    command = ["run", "--model", "demo", "--tasks", "mmvet", "--out", str(tmp_path)]
    assert main(command) == 0
    told = capsys.readouterr().out.splitlines()[-1]
    assert told.startswith("64 answers of mmvet are stored and wait for a judge: llava-eval judge ")
    with serving(CannedJudge(one_of(["0.5", "?"]))) as canned:
        assert main([*command, *canned.flags]) == 0
        asked = len(canned.asked)
        assert main([*command, *canned.flags]) == 0
        assert len(canned.asked) == asked
    out = capsys.readouterr().out
    assert "graded by: canned (canned-0314; " in out
    assert "wait for a judge" not in out
    assert main(command) == 0  # without a judge, the grades stay
    assert result_of(tmp_path / "mmvet")["judge"].startswith("canned (")
