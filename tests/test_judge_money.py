"""What judging takes is said before the first call, and a budget is kept."""

import json

import pytest

from llava_eval.cli import main
from llava_eval.errors import CardError
from llava_eval.prices import load_prices
from tests.canned_judge import CannedJudge, answered_run, judge, one_of, serving

READ, WRITTEN = 500, 2  # tokens of every call, as the canned judge counts them
PRICE = {"input": 10, "output": 50.0}
COST = (READ * 10 + WRITTEN * 50) / 1e6
USAGE = {"usage": {"prompt_tokens": READ, "completion_tokens": WRITTEN}}


@pytest.fixture
def folder(tmp_path):
    return answered_run(tmp_path / "runs" / "mmvet", "mmvet")


@pytest.fixture
def prices(tmp_path):
    path = tmp_path / "prices.yaml"
    path.write_text(json.dumps({"currency": "EUR", "models": {"canned": PRICE}}))
    return path


def test_a_dry_run_says_calls_tokens_and_money_and_asks_nothing(folder, prices, capsys):
    with serving(CannedJudge(one_of(["0.5"]))) as canned:
        assert judge(folder, canned, "--dry-run", "--prices", prices, "--judge-runs", 3) == 0
        assert not canned.asked
        out = capsys.readouterr().out
        judge(folder, canned)
    characters = sum(len(body["messages"][0]["content"]) for body in canned.asked)
    plan = dict(line.split(None, 1) for line in out.splitlines())
    assert plan["calls"] == ("192, about 64 of 64 answers; at most 960 if replies cannot be read")
    read = int(plan["tokens"].split()[1].replace(",", ""))
    assert read == pytest.approx(3 * characters / 4, rel=0.01)
    assert "(characters / 4), at most 576 to write" in plan["tokens"]
    cost = (read * 10 + 576 * 50) / 1e6
    assert plan["cost"].startswith(f"at most {cost:.4f} EUR; at most {cost * 5:.2f} EUR if")


def test_a_dry_run_leaves_no_trace_and_needs_no_server(folder, capsys):
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".lock"}
    flags = ["--judge-model", "m", "--judge-base-url", "http://127.0.0.1:9/v1", "--dry-run"]
    assert main(["judge", str(folder), *flags]) == 0
    assert "cost     not known: give --prices" in capsys.readouterr().out
    after = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".lock"}
    assert after == before


@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_budget_is_never_exceeded_and_a_larger_one_goes_on(folder, prices, capsys, concurrency):
    flags = ["--prices", prices, "--judge-concurrency", concurrency]
    budget = 20.5 * COST
    with serving(CannedJudge(one_of(["0.5"]), **USAGE)) as canned:
        assert judge(folder, canned, *flags, "--budget", budget) == 1
        asked = len(canned.asked)
        # What is on its way counts with what it may cost at most, which is a little more here.
        assert 20 - concurrency <= asked <= 20
        out, err = capsys.readouterr()
        assert f"stopped at the budget, {64 - asked} calls are left" in err
        assert f"{asked * READ:,} tokens read, {asked * WRITTEN:,} written" in out
        found = json.loads((folder / "result.json").read_text())
        assert (found["ungraded"], found["complete"]) == (64 - asked, False)
        assert judge(folder, canned, *flags, "--budget", budget) == 1
        assert len(canned.asked) - asked <= 1  # the sum is for the answers, not for a command
        assert judge(folder, canned, *flags, "--budget", 65 * COST + 1) == 0
    assert len(canned.asked) == 64


def test_a_judge_that_counts_no_tokens_is_estimated_and_said_so(folder, prices, capsys):
    with serving(CannedJudge(one_of(["0.5"]), usage=None)) as canned:
        assert judge(folder, canned, "--prices", prices) == 0
    assert "(estimated: the judge does not count); " in capsys.readouterr().out
    lines = [json.loads(line) for line in (folder / "grades.jsonl").read_text().splitlines()]
    assert all(line["estimated"] and line["prompt_tokens"] > 100 for line in lines)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--budget", "1"], "--judge-budget 1: needs --judge-prices"),
        (["--budget", "0", "--prices", "{prices}"], "--judge-budget 0: must be more than 0"),
        (["--budget", "nan", "--prices", "{prices}"], "--judge-budget nan: must be more than 0"),
        (["--budget", "inf", "--prices", "{prices}"], "--judge-budget inf: must be more than 0"),
        (
            ["--prices", "{prices}", "--judge-model", "cannot"],
            "--judge-prices: no price of 'cannot'; did you mean 'canned'?",
        ),
        (["--judge-runs", "0"], "--judge-runs 0: must be at least 1"),
        (["--judge-engine", "hff"], "--judge-engine hff: did you mean 'hf'?"),
        (["--judge-engine", "hf"], "a judge with --judge-engine hf has no server"),
        (
            ["--judge-engine", "hf", "--judge-base-url", "", "--judge-runs", "2"],
            "a local judge is greedy",
        ),
        (["--judge-base-url", ""], "--judge-base-url: missing"),
        (["--judge-base-url", "nowhere"], "--judge-base-url: give http://host:port/v1"),
        (["--judge-concurrency", "0"], "--judge-concurrency 0: must be from 1"),
        (["--judge-api-key-env", "NO_SUCH"], "--judge-api-key-env NO_SUCH: that variable is not"),
        (["--judge-model", ""], "--judge-model: is empty"),
    ],
)
def test_a_mistake_about_the_judge_is_one_line_before_any_call(
    folder, prices, capsys, flags, message
):
    with serving(CannedJudge(one_of(["0.5"]))) as canned:
        assert judge(folder, canned, *(flag.format(prices=prices) for flag in flags)) == 2
    assert message in capsys.readouterr().err
    assert not canned.asked


@pytest.mark.parametrize("flag", ["--judge-base-url", "--judge-prices", "--judge-rules"])
def test_run_with_something_of_a_judge_but_no_judge_is_refused_at_once(tmp_path, capsys, flag):
    command = ["run", "--model", "demo", "--tasks", "mmvet", "--out", str(tmp_path)]
    assert main([*command, flag, "x"]) == 2
    assert f"{flag}: of which judge? give --judge-model" in capsys.readouterr().err


def test_run_refuses_wrong_words_before_the_model_answers(tmp_path, capsys):
    (tmp_path / "rule.json").write_text("[]")
    command = ["run", "--model", "demo", "--tasks", "llava_bench", "--out", str(tmp_path / "out")]
    flags = ["--judge-model", "m", "--judge-base-url", "http://127.0.0.1:9/v1"]
    assert main([*command, *flags, "--judge-rules", str(tmp_path / "rule.json")]) == 1
    assert "no llava_bench_complex with a prompt" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("currency: EUR\n", "key 'models' is missing"),
        ("currency: EUR\nmodels: {m: {input: 1}}\n", "key 'output' is missing"),
        ("currency: EUR\nmodels: {m: {input: 1, output: '2'}}\n", "'2' is str, must be float"),
        ("currency: EUR\nmodels: {m: {input: 1, output: -2}}\n", "a price is negative"),
        ("currency: EUR\nmodels: {m: {input: .nan, output: 2}}\n", "a price is not finite"),
        ("currency: EUR\nmodels: {m: {input: 1, output: .inf}}\n", "a price is not finite"),
        ("currency: EUR\nmodels: {m: {input: true, output: 2}}\n", "True is bool, must be float"),
    ],
)
def test_a_table_of_prices_is_read_strictly(tmp_path, content, message):
    (tmp_path / "prices.yaml").write_text(content)
    with pytest.raises(CardError, match=message):
        load_prices(tmp_path / "prices.yaml")
