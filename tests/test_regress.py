"""`make regress`: the demo against its committed baseline; and the workflow that the docs offer."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from llava_eval.cli import main, parse
from llava_eval.comparison import compare
from llava_eval.engines import EngineSettings, load_engine
from llava_eval.identity import differences, identity_of_card, identity_of_run
from llava_eval.runner import Nobody, run_task
from llava_eval.samples import read_samples
from llava_eval.scoring import score_predictions
from llava_eval.store import read_predictions
from llava_eval.task import load_task
from tests.breaks import BREAKS

ROOT = Path(__file__).resolve().parents[1]
BASELINE = ROOT / "results" / "baselines" / "demo"
TASKS = sorted(path.name for path in BASELINE.iterdir())


def commands():
    """The two command lines of `make regress`, without the program's name."""
    command = ["make", "--no-print-directory", "--dry-run", "--old-file=.venv/.complete", "regress"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [
        line.split("llava-eval ", 1)[1] for line in done.stdout.splitlines() if "eval " in line
    ]
    return [shlex.split(line.split(" >")[0]) for line in lines]


def test_make_regress_runs_every_task_of_the_baseline_and_compares_the_folder_it_wrote():
    run, against = (parse(command) for command in commands())
    assert sorted(run.tasks.split(",")) == TASKS
    assert (ROOT / against.baseline, against.candidate) == (BASELINE, run.out)
    assert not against.force


@pytest.mark.parametrize("task", TASKS)
def test_the_baseline_is_of_the_protocols_as_they_are(task):
    card = identity_of_card(load_task(task), "mini")
    assert differences(identity_of_run(BASELINE / task), card) == []


def regress(candidate, tasks):
    """Compare as `make regress` does, only some tasks and another candidate."""
    arguments = commands()[1]
    arguments[1:3] = [str(BASELINE), str(candidate)]
    return main([*arguments, "--tasks", ",".join(tasks)])


def run_demo(out, tasks, broken):
    engine = load_engine(EngineSettings("demo"))
    with BREAKS[broken](engine):
        for task in map(load_task, tasks):
            data = read_samples(task, "mini")
            run_task(task, data, engine, "demo", out / task.name, False, Nobody())


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        ("nothing", 0),
        ("padding on the right", 3),
        ("no system text (the Hub's chat template)", 3),
        ("centre crop instead of padding", 3),
    ],
)
@pytest.mark.slow
def test_the_demo_passes_and_a_broken_engine_is_exit_code_3(tmp_path, capsys, broken, code):
    tasks = ["pope", "mme"]
    run_demo(tmp_path, tasks, broken)
    assert regress(tmp_path, tasks) == code
    assert f"verdict: {'regression' if code else 'pass'}" in capsys.readouterr().out


def right_ones(task):
    card = load_task(task)
    predictions = read_predictions(BASELINE / task / "predictions.jsonl")
    scores, _ = score_predictions(card, read_samples(card, "mini"), predictions)
    return [score.id for score in scores if score.value == 1]


def with_one_wrong(task, sample_id, folder):
    """The baseline of a task with one of its answers changed."""
    shutil.copytree(BASELINE / task, folder)
    path = folder / "predictions.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for line in lines:
        if line["id"] == sample_id:
            line["text"] = {"Yes": "No", "No": "Yes"}.get(line["text"], "??")
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return folder


@pytest.mark.parametrize("task", TASKS)
def test_one_answer_that_another_machine_rounds_otherwise_still_passes(tmp_path, task):
    allowed = parse(commands()[1]).max_drop
    right, lost = right_ones(task), 0
    for place in (0, len(right) // 2, -1):
        candidate = with_one_wrong(task, right[place], tmp_path / str(place))
        [found] = compare(BASELINE / task, candidate, max_drop=allowed).tasks
        lost += len(found.measured.lost)
        assert found.verdict == "pass"
    assert lost  # in ScienceQA only questions with an image count


def test_the_workflow_in_the_docs_is_yaml_and_its_commands_are_ours():
    page = (ROOT / "docs" / "comparing.md").read_text("utf-8")
    [text] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    workflow = yaml.safe_load(text)
    job = workflow["jobs"]["compare"]
    script = "\n".join(step["run"] for step in job["steps"] if "run" in step)
    script = script.replace('"$TASKS"', job["env"]["TASKS"])
    lines = [line.split(" >> ")[0] for line in script.splitlines()]
    ours = [shlex.split(line)[1:] for line in lines if line.strip().startswith("llava-eval ")]
    parsed = [parse(arguments) for arguments in ours]
    assert parsed[0].out == parsed[1].candidate
    assert parsed[1].format == "md"
    assert set(parsed[0].tasks.split(",")) == {"pope", "gqa", "textvqa"}


def test_the_shell_of_the_workflow_lets_only_4_through(tmp_path):
    page = (ROOT / "docs" / "comparing.md").read_text("utf-8")
    [text] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    steps = yaml.safe_load(text)["jobs"]["compare"]["steps"]
    [script] = [step["run"] for step in steps if "compare" in step.get("run", "")]
    program = tmp_path / "llava-eval"
    ends = {}
    for code in (0, 1, 2, 3, 4):
        program.write_text(f"#!/bin/sh\nexit {code}\n")
        program.chmod(0o755)
        environment = {
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "TASKS": "pope",
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        }
        done = subprocess.run(["bash", "-e", "-c", script], env=environment, capture_output=True)
        ends[code] = done.returncode
    assert ends == {0: 0, 1: 1, 2: 2, 3: 3, 4: 0}
