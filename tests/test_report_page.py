"""The page as text, its Markdown, its folder, and the command that writes them."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from llava_eval.cli import main
from llava_eval.errors import UsageError
from llava_eval.records import Json
from llava_eval.report.build import build_report
from llava_eval.report.build_folder import prepare_folder
from llava_eval.report.markdown import markdown
from llava_eval.report.page import policy, render_page
from llava_eval.report.page_provenance import not_recorded, provenance_of, reproduce
from llava_eval.report.subject import Subject, TaskRun, read_subject
from llava_eval.resources import resource
from tests.boards import replayed, result_of, write_run

BASELINES = resource("results/baselines/demo")
ATTACK = '<script>alert(1)</script>"><img src=x onerror=alert(2)>|`[a](http://b)'


@pytest.fixture(scope="module")
def demo() -> Subject:
    return read_subject([BASELINES])


@pytest.fixture(scope="module")
def page(demo: Subject) -> str:
    return render_page(demo)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("two")
    replayed(root / "a" / "pope", "pope", {0, 1, 2}, "a")
    replayed(root / "b" / "pope", "pope", set(range(2, 80)), "b")
    return root


def test_every_measured_number_of_the_table_leads_to_its_run(demo: Subject, page: str) -> None:
    links = re.findall(r'<a class="number[^"]*" href="#(run-[^"]+)"', page)
    assert len(links) == len(demo.runs) == 10
    assert all(f'id="{link}"' in page for link in links)


def test_every_published_number_leads_to_its_source(page: str) -> None:
    links = re.findall(r'<a class="number[^"]*" href="#(source-[^"]+)"', page)
    assert len(links) > 100
    assert all(f'id="{link}"' in page for link in links)


def test_every_dagger_leads_to_its_reason_in_text(page: str) -> None:
    marks = re.findall(r'<a class="mark" href="#([^"]+)" title="([^"]+)"', page)
    assert marks
    for anchor, reason in marks:
        note = re.search(rf'<li id="{anchor}">(.*?)</li>', page)
        assert note is not None
        assert reason in note[1]


def test_no_two_elements_share_an_id(two: Path, tmp_path: Path) -> None:
    built = build_report(read_subject([two]), tmp_path / "report")
    ids = re.findall(r'\bid="([^"]+)"', built.page.read_text(encoding="utf-8"))
    assert sorted(ids) == sorted(set(ids))


def test_the_page_refers_to_nothing_outside(two: Path, tmp_path: Path) -> None:
    text = build_report(read_subject([two]), tmp_path / "report").page.read_text(encoding="utf-8")
    text = re.sub(r'xmlns(:\w+)?="[^"]+"', "", text)  # names of vocabularies; nobody asks there
    assert re.findall(r'(?:src|href|action|data)="(?!#)([^"]*)"', text) == []
    assert "@import" not in text
    assert "url(http" not in text


def test_the_policy_lets_only_these_scripts_run() -> None:
    assert "script-src 'self' 'sha256-" in policy(["alert(1)"])
    assert policy(["alert(1)"]) != policy(["alert(2)"])
    assert "default-src 'none'" in policy([])


def test_groups_of_a_task_stand_in_its_table(demo: Subject, page: str) -> None:
    names = next(run for run in demo.runs if run.task.name == "mme").result.groups
    section = page.split('id="task-mme"')[1].split('<section class="task"')[0]
    assert len(names) >= 14
    assert all(f"<bdi>{name}</bdi>" in section for name in names)


def test_the_record_of_a_run_is_all_there(demo: Subject) -> None:
    run = next(run for run in demo.runs if run.task.name == "pope")
    fields = {n: v for part in provenance_of(run).values() for n, v in part}
    identity = run.side.run["identity"]
    assert {
        n: fields[n] for n in identity if isinstance(identity[n], str)
    }.items() <= identity.items()
    assert identity.keys() <= fields.keys()
    assert fields["weights"] == "1d612abddaeea3fd"
    assert fields["transformers"] == run.side.run["environment"]["transformers"]


def test_the_command_makes_the_number_again(demo: Subject, tmp_path: Path) -> None:
    run = next(run for run in demo.runs if run.task.name == "seedbench")
    model, score = (command.split()[1:] for command in reproduce(run))
    assert main([*model, "--out", str(tmp_path / "again")]) == 0
    [again] = read_subject([tmp_path / "again"]).runs
    assert again.result.headline == run.result.headline
    assert main(score) == 0


def _edited(run: TaskRun, environment: Json | None = None, **identity: str) -> TaskRun:
    content = {
        "identity": {**run.side.run["identity"], **identity},
        "environment": {**run.side.run["environment"], **(environment or {})},
    }
    return dataclasses.replace(run, side=dataclasses.replace(run.side, run=content))


def test_a_replay_has_no_model_to_ask_and_a_server_no_address(demo: Subject, two: Path) -> None:
    replay = read_subject([two / "a"]).runs[0]
    [score] = reproduce(replay)
    assert main(score.split()[1:]) == 0
    assert "read from a file" in not_recorded(replay)[0]
    server = _edited(demo.runs[0], {"device": "server box:80", "batch_size": 7}, engine="server")
    assert "--concurrency 7" in reproduce(server)[0]
    assert not_recorded(server) == ["Add --base-url: of server box:80, only the host is recorded."]


def test_an_exact_run_is_made_again_as_one(demo: Subject) -> None:
    exact = _edited(demo.runs[0], {"sharing": False, "batch_size": 1})
    assert reproduce(exact)[0].endswith(" --exact")
    assert "--exact" not in reproduce(demo.runs[0])[0]
    assert not_recorded(exact) == []


def test_a_task_of_ones_own_and_a_judge_stand_in_the_commands(tmp_path: Path) -> None:
    replayed(tmp_path / "mmvet", "mmvet", set(), "judged")
    [run] = read_subject([tmp_path]).runs
    name = run.scores[0].id
    grades = {"id": name, "replies": ["0.7"]}
    (tmp_path / "mmvet" / "grades.jsonl").write_text(json.dumps(grades) + "\n")
    judge = {
        "identity": {"judge": "a judge", "engine": "server", "dialect": "llava"},
        "environment": {"base_url": "http://box/v1"},
    }
    (tmp_path / "mmvet" / "judge.json").write_text(json.dumps(judge))
    [run] = read_subject([tmp_path]).runs
    asked, score = reproduce(run)
    assert asked == (
        f"llava-eval judge {tmp_path}/mmvet --judge-model 'a judge' --judge-engine server "
        "--judge-base-url http://box/v1"
    )
    assert score.endswith(f"--grades {tmp_path}/mmvet/grades.jsonl")
    own = dataclasses.replace(run, task=dataclasses.replace(run.task, name="mine"))
    assert all("--tasks-dir" in command for command in reproduce(own))


def test_names_of_others_are_text_in_the_page(tmp_path: Path) -> None:
    write_run(tmp_path / "a", result_of("pope"), model=ATTACK, weights=ATTACK)
    text = render_page(read_subject([tmp_path / "a"], samples=False))
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert" not in text
    assert "<img" not in text


def test_direction_marks_and_escapes_are_shown_as_what_they_are(tmp_path: Path) -> None:
    write_run(tmp_path / "a", result_of("pope"), model="a\u202egnp.\x1b[2J")
    text = render_page(read_subject([tmp_path / "a"], samples=False))
    assert "\u202e" not in text
    assert "a\\u202egnp.\\x1b[2J" in text


def test_markdown_says_first_what_changed(two: Path) -> None:
    text = markdown(read_subject([two / "a", two / "b"]))
    lines = text.splitlines()
    assert lines[2].startswith("**verdict: regression (pope)**")
    assert "| pope |" in text
    assert text.index("verdict") < text.index("Beside the published numbers")


def test_the_drop_that_is_allowed_can_be_named(two: Path) -> None:
    text = render_page(read_subject([two / "a", two / "b"], max_drop=99))
    assert 'Verdict: <b class="verdict-pass">pass</b>, where a drop of 99 %' in text


def test_two_models_without_rows_say_that_there_are_no_differences(two: Path) -> None:
    words = "There are no paired differences"
    assert words in render_page(read_subject([two / "a", two / "b"], data="gone.jsonl"))
    assert words not in render_page(read_subject([two / "a", two / "b"]))
    assert words not in render_page(read_subject([two / "a"], data="gone.jsonl"))


def test_markdown_counts_how_samples_ended() -> None:
    text = markdown(read_subject([BASELINES / "pope"]))
    assert "| pope | demo (mini) | 96.4 [94.0, 97.9] percent | 324 | 311 | 13 |" in text


def test_names_of_others_are_text_in_markdown(tmp_path: Path) -> None:
    write_run(tmp_path / "a", result_of("pope"), model=ATTACK)
    text = markdown(read_subject([tmp_path / "a"], samples=False))
    assert "<script" not in text
    assert "<img" not in text
    assert "](" not in text


def test_an_earlier_report_is_replaced_and_what_is_beside_it_stays(tmp_path: Path) -> None:
    prepare_folder(tmp_path / "out")
    (tmp_path / "out" / "data").mkdir()
    (tmp_path / "out" / "data" / "old.js").touch()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    prepare_folder(tmp_path / "out")
    assert not (tmp_path / "out" / "data").exists()
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["thesis.tex", "index.html", "report.json", "data"])
def test_a_folder_of_somebody_else_is_never_touched(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text('{"kind": "thesis"}')
    with pytest.raises(UsageError, match="no report of ours"):
        prepare_folder(out)
    assert (out / name).read_text() == '{"kind": "thesis"}'


def test_a_link_in_a_report_is_removed_but_not_what_it_leads_to(tmp_path: Path) -> None:
    prepare_folder(tmp_path / "out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    (tmp_path / "out" / "data").symlink_to(tmp_path / "mine")
    prepare_folder(tmp_path / "out")
    assert (tmp_path / "mine" / "file").exists()


def test_the_command_writes_page_samples_and_plots(
    two: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    code = main(["report", str(two / "a"), "--out", str(out), "--figures", "png,svg"])
    assert code == 0
    assert (out / "index.html").is_file()
    assert (out / "data" / "pope" / "index.js").is_file()
    assert (out / "figures" / "forest.png").is_file()
    assert (out / "figures" / "forest.svg").is_file()
    assert re.match(r"324 samples of 1 task, \d+ images, \d+\.\d MB", capsys.readouterr().out)


def test_markdown_goes_to_the_console_or_a_file(
    two: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(two / "a"), "--format", "md"]) == 0
    shown = capsys.readouterr().out
    assert main(["report", str(two / "a"), "--format", "md", "--out", str(tmp_path / "a.md")]) == 0
    assert (tmp_path / "a.md").read_text(encoding="utf-8") == shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere: no such folder of runs"),
        (["."], "no finished run"),
        ([str(BASELINES / "pope"), "--figures", "bmp"], "--figures bmp: no such format"),
        ([str(BASELINES / "pope"), "--format", "md", "--open"], "--format md"),
        ([str(BASELINES / "pope"), "--out", __file__], "is no folder"),
        ([str(BASELINES / "pope"), "--max-drop", "-1"], "--max-drop -1: must be 0 or more"),
    ],
)
def test_a_wrong_command_line_is_one_line(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report", *arguments]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert words in line


def test_rows_that_cannot_be_read_are_said_and_end_with_1(
    two: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = str(tmp_path / "gone.jsonl")
    command = ["report", str(two / "a"), "--data", gone, "--out", str(tmp_path / "out")]
    assert main(command) == 1
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "rows could not be read" in page
    assert "gone.jsonl" in page
    assert "gone.jsonl" in capsys.readouterr().err
    assert main([*command, "--no-samples"]) == 0


def test_the_command_line_loads_no_plots_and_no_templates() -> None:
    code = (
        "import sys, llava_eval.cli; llava_eval.cli.parse(['report', 'runs']); "
        "print([m for m in ('matplotlib', 'jinja2', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_report_needs_no_torch() -> None:
    code = (
        "import sys, llava_eval.report.build, llava_eval.report.markdown; "
        "print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
