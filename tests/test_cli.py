import json
import resource
import subprocess
import sys

import pytest

import llava_eval
from llava_eval.cli import main


@pytest.fixture
def scored(write_jsonl, pope_rows):
    """Twelve rows, all but two answered, one of them wrong."""
    lines = [{"id": r["id"], "prediction": r["answer"].capitalize()} for r in pope_rows[:-2]]
    lines[0]["prediction"] = "Yes"
    data = write_jsonl("rows.jsonl", pope_rows)
    return ["--data", str(data), "--predictions", str(write_jsonl("answers.jsonl", lines))]


def test_score_writes_the_contract(tmp_path, scored, capsys):
    files = ["--json", str(tmp_path / "r.json"), "--scores", str(tmp_path / "s.jsonl")]
    assert main(["score", "pope", *scored, *files]) == 0
    result = json.loads((tmp_path / "r.json").read_text())
    assert {key: result[key] for key in ("task", "n", "unparsed", "failed", "missing")} == {
        "task": "pope",
        "n": 12,
        "unparsed": 0,
        "failed": 0,
        "missing": 2,
    }
    assert set(result["metrics"]["f1"]) == {"value", "error", "low", "high", "n"}
    assert set(result["groups"]) == {"adversarial", "popular", "random"}
    assert set(result["groups"]["random"]) == set(result["metrics"])
    assert "12 samples: 0 unparsed, 0 failed, 2 missing" in capsys.readouterr().out


def test_score_writes_one_line_per_row_and_none_for_a_missing_answer(tmp_path, scored):
    main(["score", "pope", *scored, "--scores", str(tmp_path / "s.jsonl")])
    lines = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert lines[0] == {"id": "0", "value": 0.0, "parsed": "yes"}
    assert lines[11] == {"id": "11", "value": None, "parsed": None}
    assert len(lines) == 12


def run(*arguments, **options):
    command = [sys.executable, "-m", "llava_eval", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["score", "poep", "--data", "x", "--predictions", "x"], 2, "did you mean 'pope'"),
        (["score", "pope", "--data", "./no", "--predictions", "x"], 1, "./no: no such file"),
        (["score", "pope", "--data", "{rows}", "--predictions", "no"], 1, "no: cannot be read"),
        (["score", "pope", "--data", "{rows}", "--predictions", "{torn}"], 1, "torn.jsonl:2: not"),
        (["score", "pope", "--data", "{rows}", "--predictions", "{other}"], 1, "belong to no row"),
        (["score", "pope", "--data", "{rows}", "--predictions", "{none}"], 1, "none of 12 rows"),
        (["run", "--model", "./no", "--tasks", "pope", "--data", "{rows}"], 1, "no such folder"),
        (["run", "--model", "{tmp}", "--tasks", "pope", "--data", "{rows}"], 1, "config.json: can"),
        (["run", "--model", "demo", "--tasks", "pope", "--limit", "0"], 2, "--limit 0: must be"),
        (["run", "--model", "demo", "--tasks", "pope", "--batch-size", "0"], 2, "at least 1"),
        (["run", "--model", "demo", "--tasks", "pope", "--engine", "hff"], 2, "did you mean 'hf'"),
        (["run", "--model", "demo"], 2, "--tasks"),
        (["leaderboard", "./no"], 2, "no: no such folder of runs"),
        (["nothing"], 2, "invalid choice"),
        ([], 2, "required"),
    ],
)
def test_a_mistake_is_one_clear_line_and_an_exit_code(
    tmp_path, write_jsonl, pope_rows, arguments, code, message
):
    places = {
        "rows": write_jsonl("rows.jsonl", pope_rows),
        "other": write_jsonl("other.jsonl", [{"id": "99", "prediction": "Yes"}]),
        "none": write_jsonl("none.jsonl", []),
        "torn": tmp_path / "torn.jsonl",
        "tmp": tmp_path,
    }
    places["torn"].write_text('{"id": "0", "prediction": "Yes"}\n{"id": "1", "pre')
    done = run(*(argument.format(**places) for argument in arguments), cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert message in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("arguments", [["--help"], ["tasks"], ["score", "--help"]])
def test_help_and_the_list_of_tasks_come_at_once(arguments):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert run(*arguments).returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Processor time: other work on the machine is not our slowness.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


HEAVY = ("torch", "transformers", "datasets", "pandas", "sklearn", "matplotlib", "pyarrow")


def imported(code):
    program = f"import sys; {code}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    return done.stdout.splitlines()[-1]


def test_importing_the_package_imports_nothing_heavy():
    public = "import llava_eval; [getattr(llava_eval, name) for name in llava_eval.__all__]"
    assert imported(f"{public}; import llava_eval.cli") == "[]"


def test_the_package_has_its_public_names_and_no_others():
    assert set(llava_eval.__all__) <= set(dir(llava_eval))
    assert not hasattr(llava_eval, "evaluated")


def test_scoring_imports_no_torch(scored):
    code = f"from llava_eval.cli import main; main(['score', 'pope', *{scored!r}])"
    assert imported(code) == "[]"


def test_the_leaderboard_is_there_without_any_run(tmp_path, capsys):
    assert main(["leaderboard", str(tmp_path), "--format", "md"]) == 0
    table = capsys.readouterr().out
    assert "| LLaVA-1.5-13B [zoo] |" in table
    assert "85.9" in table


def test_an_error_of_the_system_that_names_a_file_is_one_line(monkeypatch, capsys):
    def fail(options):
        raise PermissionError(13, "Permission denied", "locked/x")

    monkeypatch.setattr("llava_eval.commands.tasks.execute", fail)
    assert main(["tasks"]) == 1
    assert capsys.readouterr().err == "llava-eval: locked/x: Permission denied\n"


def test_an_error_of_the_system_that_names_none_is_a_bug(monkeypatch):
    def fail(options):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("llava_eval.commands.tasks.execute", fail)
    with pytest.raises(OSError, match="Input/output error"):
        main(["tasks"])
