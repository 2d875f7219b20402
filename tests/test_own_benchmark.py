"""A benchmark of the user's own: the card and the rows of docs/adding-a-benchmark.md, no Python."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from llava_eval.cli import main

PAGE = Path(__file__).resolve().parents[1] / "docs" / "adding-a-benchmark.md"


@pytest.fixture
def tasks_dir(tmp_path):
    """The folder that the page describes, with four rows."""
    folder = tmp_path / "my-tasks"
    (folder / "pictures").mkdir(parents=True)
    card = re.search(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.S).group(1)
    (folder / "traffic.yaml").write_text(card, "utf-8")
    row = json.loads(re.search(r"```json\n(.*?)\n```", PAGE.read_text("utf-8"), re.S).group(1))
    rows = []
    for number, (answer, kind) in enumerate(
        [("yes", "day"), ("no", "day"), ("yes", "night"), ("no", "night")]
    ):
        picture = f"pictures/{number}.png"
        Image.new("RGB", (50, 40), (40 * number, 0, 0)).save(folder / picture)
        rows.append(
            row
            | {
                "id": str(number),
                "answer": answer,
                "kind": kind,
                "picture": picture,
                "scene": str(number),
            }
        )
    (folder / "traffic.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), "utf-8")
    return folder


def test_it_is_listed_beside_the_others(tasks_dir, capsys):
    assert main(["tasks", "--tasks-dir", str(tasks_dir)]) == 0
    assert re.search(r"^traffic +Traffic +f1 +4$", capsys.readouterr().out, re.M)


def test_it_is_scored_from_its_card(tasks_dir, tmp_path):
    answers = tmp_path / "answers.jsonl"
    lines = [
        {"id": str(i), "prediction": text} for i, text in enumerate(["Yes", "No", "Yes", "Yes"])
    ]
    answers.write_text("".join(json.dumps(line) + "\n" for line in lines))
    arguments = ["--tasks-dir", str(tasks_dir), "--data", "card", "--predictions", str(answers)]
    assert main(["score", "traffic", *arguments, "--json", str(tmp_path / "r.json")]) == 0
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["metrics"]["accuracy"]["value"] == 75
    assert (result["version"], result["complete"]) == ("first version", True)


def test_it_runs_with_the_demo(tasks_dir, tmp_path, capsys):
    arguments = [
        "--tasks",
        "traffic",
        "--tasks-dir",
        str(tasks_dir),
        "--out",
        str(tmp_path / "out"),
    ]
    assert main(["run", "--model", "demo", *arguments]) == 0
    assert "traffic" in capsys.readouterr().out
    assert len((tmp_path / "out/traffic/predictions.jsonl").read_text().splitlines()) == 4


def test_its_runs_have_a_column_of_their_own_and_are_ranked_by_its_card(
    tasks_dir, tmp_path, capsys
):
    card = tasks_dir / "traffic.yaml"
    card.write_text(card.read_text("utf-8").replace("primary: f1", "primary: accuracy"), "utf-8")
    own = ["--tasks-dir", str(tasks_dir)]
    for name, more in (("a", []), ("b", ["--exact"])):
        out = ["--out", str(tmp_path / "runs" / name)]
        assert main(["run", "--model", "demo", "--tasks", "traffic", *own, *out, *more]) == 0
    capsys.readouterr()
    assert main(["leaderboard", str(tmp_path / "runs"), *own]) == 0
    table = capsys.readouterr().out
    assert table.splitlines()[0].endswith(" Traffic")
    assert table.count("#1=") == 2
    assert "unpaired" not in table
    assert main(["leaderboard", str(tmp_path / "runs")]) == 0
    table = capsys.readouterr().out
    assert table.splitlines()[0].endswith(" traffic")
    assert "traffic: ranks are from unpaired intervals: task 'traffic' is not known" in table


def test_a_file_of_another_length_is_an_error(tasks_dir, capsys):
    path = tasks_dir / "traffic.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
    arguments = ["--tasks-dir", str(tasks_dir), "--data", "card", "--predictions", "none"]
    assert main(["score", "traffic", *arguments]) == 1
    assert "traffic.jsonl: 3 rows, must be 4" in capsys.readouterr().err


def test_a_card_with_the_name_of_a_shipped_task_is_refused(tasks_dir, capsys):
    (tasks_dir / "traffic.yaml").rename(tasks_dir / "pope.yaml")
    assert main(["tasks", "--tasks-dir", str(tasks_dir)]) == 1
    assert "a task of this name ships with llava-eval" in capsys.readouterr().err


CHOICES = [
    {"question": "Which?", "choices": ["cat", "dog"], "answer": "B", "scene": "1"},
    {"question": "Which?", "choices": ["red", "blue", "green"], "answer": "A", "scene": "2"},
]


def choice_card(tasks_dir, scorer, primary):
    card = (tasks_dir / "traffic.yaml").read_text("utf-8")
    for old, new in (
        ('    - "{question}"', '    - "{question}"\n    - "{options}"'),
        ("scorer: pope ", f"scorer: {scorer} "),
        ("primary: f1", f"primary: {primary}"),
        ("  4: ", "  2: "),
        ("  id: id\n", ""),
        ("  image: picture\n", "  choices: choices\n"),
        ("  groups: {category: kind}\n", ""),
    ):
        assert old in card, old
        card = card.replace(old, new)
    (tasks_dir / "traffic.yaml").write_text(card, "utf-8")
    lines = "".join(json.dumps(row) + "\n" for row in CHOICES)
    (tasks_dir / "traffic.jsonl").write_text(lines, "utf-8")


@pytest.mark.parametrize("scorer", ["seedbench", "scienceqa", "mmbench"])
def test_a_plain_multiple_choice_benchmark_needs_no_groups(tasks_dir, tmp_path, scorer):
    choice_card(tasks_dir, scorer, "accuracy")
    answers = tmp_path / "answers.jsonl"
    answers.write_text('{"id": "0", "prediction": "B"}\n{"id": "1", "prediction": "C"}\n')
    arguments = ["--tasks-dir", str(tasks_dir), "--data", "card", "--predictions", str(answers)]
    assert main(["score", "traffic", *arguments, "--json", str(tmp_path / "r.json")]) == 0
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["metrics"]["accuracy"]["value"] == 50


@pytest.mark.parametrize(
    ("scorer", "primary", "group"),
    [("pope", "f1", "category"), ("gqa", "accuracy", "structural"), ("mmvet", "score", "integ")],
)
def test_a_group_that_a_rule_needs_is_asked_for(tasks_dir, capsys, scorer, primary, group):
    choice_card(tasks_dir, scorer, primary)
    assert main(["tasks", "--tasks-dir", str(tasks_dir)]) == 1
    assert f"columns.groups: {scorer} needs '{group}" in capsys.readouterr().err
