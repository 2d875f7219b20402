"""Budgets over several runs, replies that are billed and of no use, and runs with a judge."""

import json

import pytest

from llava_eval.cli import main
from llava_eval.engines.text import TextJudge
from llava_eval.judges.layouts import LAYOUTS
from llava_eval.judges.wording import choose_wording
from llava_eval.replies import Chat, Failure, Reply
from llava_eval.samples import read_samples
from llava_eval.task import load_task
from tests.canned_judge import (
    CannedJudge,
    answered_run,
    judge,
    lines_of,
    one_of,
    result_of,
    serving,
)
from tests.test_judge_money import COST, PRICE, READ, USAGE, WRITTEN
from tests.tiny_judge import make_judge


@pytest.fixture
def prices(tmp_path):
    path = tmp_path / "prices.yaml"
    path.write_text(json.dumps({"currency": "EUR", "models": {"canned": PRICE}}))
    return path


def test_what_an_earlier_command_spent_on_any_of_the_runs_counts_from_the_start(tmp_path, prices):
    answered_run(tmp_path / "runs" / "llava_bench", "llava_bench")
    folder = answered_run(tmp_path / "runs" / "mmvet", "mmvet")
    with serving(CannedJudge(one_of(["0.5"]), **USAGE)) as canned:
        assert judge(folder, canned, "--prices", prices) == 0
        asked = len(canned.asked)
        budget = asked * COST + 0.04  # less than a call of LLaVA-Bench may cost
        assert judge(folder.parent, canned, "--prices", prices, "--budget", budget) == 1
    assert len(canned.asked) == asked


def test_where_nothing_more_fits_the_calls_on_their_way_are_waited_for(tmp_path, prices):
    folder = answered_run(tmp_path / "llava_bench", "llava_bench")
    held = (READ * 10 + 1024 * 50) / 1e6  # by a call on its way, which then costs a tenth
    budget = 72 * COST + 1.2 * held
    with serving(CannedJudge(one_of(["8 7"]), **USAGE)) as canned:
        assert judge(folder, canned, "--prices", prices, "--budget", budget) == 0
    assert len(canned.asked) == 72
    assert result_of(folder)["ungraded"] == 0


SPENT = [{"index": 0, "message": {"content": None}, "finish_reason": "length"}]


def test_replies_of_no_use_are_billed_and_count(tmp_path, prices, capsys):
    folder = answered_run(tmp_path / "mmvet", "mmvet")
    flags = ["--prices", prices, "--judge-concurrency", 1]
    with serving(CannedJudge(one_of(["0.5"]), choices=SPENT, **USAGE)) as canned:
        assert judge(folder, canned, *flags) == 1
        asked = len(canned.asked)
        assert (
            f"{asked * READ:,} tokens read, {asked * WRITTEN:,} written" in capsys.readouterr().out
        )
        assert {line["lost_prompt_tokens"] for line in lines_of(folder)} == {READ}
        (effort,) = json.loads((folder / "judge.json").read_text())["efforts"]
        assert effort["cost"]["sum"] == pytest.approx(asked * COST)
        assert (effort["calls"], effort["failed"]) == (asked, asked)
        assert judge(folder, canned, *flags, "--budget", (asked + 0.5) * COST) == 1
    assert len(canned.asked) == asked


@pytest.fixture
def run(tmp_path):
    command = ["run", "--model", "demo", "--tasks", "mmvet", "--limit", "6"]
    return [*command, "--out", str(tmp_path / "out")]


def test_a_run_says_which_calls_of_its_judge_failed(run, tmp_path, capsys):
    with serving(CannedJudge(lambda text, temperature: 400)) as canned:
        assert main([*run, *canned.flags]) == 1
    out, err = capsys.readouterr()
    assert "calls failed, the reasons are in grades.jsonl; the same command" in err
    assert "judge: 0 tokens read, 0 written" in out
    assert "wait for a judge: the same command goes on" in out
    assert "MM-Vet" in out  # the table is there all the same


def test_a_run_says_that_its_judge_stopped_at_the_budget(run, prices, capsys):
    flags = ["--judge-prices", str(prices), "--judge-budget", str(COST / 10)]
    with serving(CannedJudge(one_of(["0.5"]), **USAGE)) as canned:
        assert main([*run, *canned.flags, *flags]) == 1
        assert not canned.asked
    out, err = capsys.readouterr()
    assert "stopped at the budget, 6 calls are left; a larger --judge-budget goes on" in err
    assert f"0.0000 EUR, of {COST / 10:.4f} EUR" in out


SERVER = ["--judge-model", "m", "--judge-base-url", "http://127.0.0.1:9/v1"]


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--judge-model", "m", "--judge-base-url", "nowhere"], 2, "--judge-base-url: give http"),
        ([*SERVER, "--judge-api-key-env", "NO_SUCH"], 2, "--judge-api-key-env NO_SUCH: that"),
        ([*SERVER, "--judge-concurrency", "0"], 2, "--judge-concurrency 0: must be from 1"),
        (["--judge-engine", "hf", "--judge-model", "/no/such"], 1, "/no/such"),
        (["--judge-engine", "hf"], 2, "--judge-engine: of which judge?"),
        (["--judge-runs", "3"], 2, "--judge-runs: of which judge?"),
        (["--judge-timeout", "3"], 2, "--judge-timeout: of which judge?"),
    ],
)
def test_a_run_refuses_a_wrong_judge_before_the_model_answers(
    run, tmp_path, capsys, flags, code, words
):
    assert main([*run, *flags]) == code
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_one_run_that_cannot_be_judged_takes_no_other_along(tmp_path, capsys):
    broken = answered_run(tmp_path / "runs" / "a" / "mmvet", "mmvet")
    whole = answered_run(tmp_path / "runs" / "b" / "mmvet", "mmvet")
    (broken / "predictions.jsonl").write_text("{}\n")
    with serving(CannedJudge(one_of(["0.5"]))) as canned:
        assert judge(tmp_path / "runs", canned) == 1
    assert result_of(whole)["ungraded"] == 0
    assert not (broken / "grades.jsonl").exists()
    err = capsys.readouterr().err
    assert str(broken / "predictions.jsonl") in err
    assert "1 of 2 runs could not be judged" in err


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("prompt.txt", "Compare.", "holds no words for llava_bench"),
        ("rule.txt", '{"llava_bench_conv": {}}', "holds no words for llava_bench"),
    ],
)
def test_a_file_of_words_that_serves_nothing_is_refused(tmp_path, capsys, name, text, words):
    folder = answered_run(tmp_path / "llava_bench", "llava_bench")
    (tmp_path / name).write_text(text)
    with serving(CannedJudge(one_of(["8 7"]))) as canned:
        assert judge(folder, canned, "--judge-rules", tmp_path / name) == 2
        assert not canned.asked
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [(" \n", "the prompt is empty"), ('{"a": 1}', "holds JSON, no prompt")],
)
def test_a_file_that_is_no_prompt_is_refused(tmp_path, capsys, text, words):
    folder = answered_run(tmp_path / "mmvet", "mmvet")
    (tmp_path / "prompt.txt").write_text(text)
    with serving(CannedJudge(one_of(["0.5"]))) as canned:
        assert judge(folder, canned, "--judge-rules", tmp_path / "prompt.txt") == 1
        assert not canned.asked
    assert words in capsys.readouterr().err


def test_a_local_judge_is_not_asked_beyond_its_context(tmp_path):
    local = TextJudge.load(str(make_judge(tmp_path / "judge")))
    short, long = ({"role": "user", "content": "Hello" * n} for n in (1, 3000))
    asked = [("short", Chat([short], 4)), ("long", Chat([long], 4))]
    found = dict(local.ask(asked))
    assert isinstance(found["short"], Reply)
    assert isinstance(found["long"], Failure)
    assert "too long for the judge" in found["long"].reason
    assert f"its context has {local.context:,}" in found["long"].reason


@pytest.mark.parametrize("caption", ["A cat.\nOn a mat.", ["A cat.", "On a mat."]])
def test_the_whole_message_of_a_review(tmp_path, caption):
    row = {
        "question_id": 0,
        "question": "What is it?",
        "image_id": "001",
        "category": "conv",
        "caption": caption,
        "gpt_answer": "A cat on a mat.",
    }
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    task = load_task("llava_bench")
    (sample,) = read_samples(task, str(tmp_path / "rows.jsonl")).samples
    (tmp_path / "rule.json").write_text(
        json.dumps(
            {
                f"llava_bench_{name}": {"role": "Assistant", "prompt": f"Rate ({name})."}
                for name in ("conv", "detail", "complex")
            }
        )
    )
    wording = choose_wording(task, task.judge, [tmp_path / "rule.json"])
    (chat,) = LAYOUTS["llava_bench"].asks(task.judge, wording.texts, sample, "A dog.", [], 1)
    assert chat.messages[1]["content"] == (
        "[Context]\nA cat.\nOn a mat.\n\n"
        "[Question]\nWhat is it?\n\n"
        "[Assistant 1]\nA cat on a mat.\n\n[End of Assistant 1]\n\n"
        "[Assistant 2]\nA dog.\n\n[End of Assistant 2]\n\n"
        "[System]\nRate (conv).\n\n"
    )
