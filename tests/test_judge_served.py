"""A whole evaluation with a judge behind a real server, and with a local one."""

import json
import re

import pytest

from llava_eval.cli import main
from tests.tiny_judge import make_judge
from tests.transformers_server import transformers_serve

pytestmark = pytest.mark.slow
TASKS = ("llava_bench", "mmvet")


@pytest.fixture(scope="module")
def judge_model(tmp_path_factory):
    return make_judge(tmp_path_factory.mktemp("judge") / "tiny-judge")


def check(folder, capsys, judge):
    """Tables with intervals; most replies cannot be read, and the counts say so."""
    out = capsys.readouterr().out
    for task in TASKS:
        found = json.loads((folder / task / "result.json").read_text())
        n = found["n"]
        lines = (folder / task / "grades.jsonl").read_text().splitlines()
        replies = [json.loads(line)["replies"][0] for line in lines]
        headline = found["metrics"][found["primary"]]
        assert None not in (headline["value"], headline["low"], headline["high"])
        assert found["unparsed"] == n - headline["n"]
        assert (found["ungraded"], found["failed"], found["missing"]) == (0, 0, 0)
        assert found["judge"].startswith(judge)
        assert found["dialect"].startswith("own wording ")
        said, unread = found["notes"]["judge"].replace(",", "").split()[::2]
        assert len(replies) == int(said) > int(unread) > n // 4
        assert f"{n} samples: {found['unparsed']} unparsed, 0 failed, 0 missing" in out
    for task in TASKS:
        assert re.search(rf"^{task} by .*: judge {re.escape(judge)}.* instead of gpt-4", out, re.M)


def test_the_demo_is_judged_through_transformers_serve(tmp_path, judge_model, capsys):
    pytest.importorskip("fastapi", reason="transformers serve needs it")
    command = ["run", "--model", "demo", "--tasks", ",".join(TASKS), "--out", str(tmp_path)]
    with transformers_serve(judge_model) as url:
        flags = ["--judge-model", str(judge_model), "--judge-base-url", url]
        assert main([*command, *flags, "--limit", "36", "--judge-concurrency", "2"]) == 0
    check(tmp_path, capsys, str(judge_model))


def test_the_demo_is_judged_by_a_local_model_which_is_known_by_its_weights(
    tmp_path, judge_model, capsys
):
    command = ["run", "--model", "demo", "--tasks", ",".join(TASKS), "--out", str(tmp_path)]
    flags = ["--judge-model", str(judge_model), "--judge-engine", "hf"]
    assert main([*command, *flags]) == 0
    check(tmp_path, capsys, f"{judge_model} (weights ")
    assert json.loads((tmp_path / "mmvet" / "judge.json").read_text())["identity"]["engine"] == "hf"
