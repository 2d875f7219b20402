"""What others wrote: harmless in a terminal, a table, a spreadsheet; never slow, no secret."""

import json
import os
import re
import stat
import subprocess
import sys
import time
from pathlib import Path

import openpyxl
import pytest

from llava_eval.answers import exact, letters, ratings, vqa, yes_no
from llava_eval.cli import main
from llava_eval.comparison import compare
from llava_eval.comparison_formats import FORMATS
from llava_eval.console import complain, result_table, say
from llava_eval.errors import RunError
from llava_eval.files import write_json
from llava_eval.records import DataSet, Prediction, Sample
from llava_eval.run_folder import RunFolder
from llava_eval.samples import read_samples
from llava_eval.scorers import SCORERS
from llava_eval.scorers.base import JudgedScorer
from llava_eval.submissions import SUBMISSIONS
from llava_eval.tables import MOST_CHARACTERS
from llava_eval.task import load_task, task_names
from tests.boards import replayed, result_of
from tests.conftest import pope_row

ROOT = Path(__file__).resolve().parents[1]
EVIL = (
    "\x1b]0;title\x07\x1b[2J\x1b[31mred"  # window title, clear the screen, colour
    "\x9b2J\x85\u2028\u2029"  # the same in one byte, and three more line ends
    "\r\x08\x7fover\n\tline\nforged"
    "\u202egnp.\u2066exe\u200b\u00ad"  # direction, nothing, soft hyphen
)
FORMULA = ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", '=HYPERLINK("http://a","b")', "|calc"]


def obeyed(text):
    """The characters of a text that a terminal does not just show."""
    return {c for c in text if not c.isprintable() and c != "\n"}


@pytest.mark.parametrize("text", [EVIL, *EVIL])
def test_what_is_printed_gives_a_terminal_no_orders(capsys, text):
    say(f"name: {text}")
    complain(f"name: {text}")
    out, err = capsys.readouterr()
    assert obeyed(out + err) == set()
    assert err.count("\n") == 1


def test_an_error_is_one_line_of_a_length_that_can_be_read(capsys):
    complain("where: " + "\n" * 10_000_000 + "what to do")
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert len(line) < 2 * MOST_CHARACTERS + 20
    assert line.startswith("llava-eval: where")
    assert line.endswith("what to do\n")


LOUD = EVIL  # a file's name can hold all of it
MISTAKES = [
    ["score", LOUD, "--data", "mini", "--predictions", "x"],
    ["score", "pope", "--data", f"./{LOUD}.jsonl", "--predictions", "x"],
    ["score", "pope", "--data", "mini", "--predictions", f"{LOUD}.jsonl"],
    ["score", "pope", "--data", "rows.jsonl", "--predictions", f"{{folder}}/{LOUD}.jsonl"],
    ["run", "--model", f"./{LOUD}", "--tasks", "pope", "--data", "mini"],
    ["run", "--model", "demo", "--tasks", LOUD],
    ["run", "--model", "demo", "--tasks", "pope", "--engine", LOUD],
    ["leaderboard", f"./{LOUD}"],
    ["submit", f"./{LOUD}"],
    ["explain", f"./{LOUD}"],
    ["compare", f"./{LOUD}", f"./{LOUD}"],
    ["tasks", "--tasks-dir", f"./{LOUD}"],
]


@pytest.mark.parametrize("arguments", MISTAKES, ids=lambda a: f"{a[0]} {a[-1][:8]!r}")
def test_an_error_that_quotes_a_hostile_name_gives_no_orders(
    tmp_path, monkeypatch, capsys, write_jsonl, arguments
):
    monkeypatch.chdir(tmp_path)
    write_jsonl("rows.jsonl", [pope_row(1)])
    write_jsonl(f"{LOUD}.jsonl", [{"id": EVIL, "prediction": EVIL, EVIL: EVIL}])
    assert main([argument.format(folder=tmp_path) for argument in arguments]) in (1, 2)
    out, err = capsys.readouterr()
    assert obeyed(out + err) == set()
    assert err.count("\n") == 1


@pytest.mark.parametrize("field", ["id", "question", "answer", "category", "image_source", EVIL])
def test_a_row_that_quotes_itself_in_an_error_gives_no_orders(capsys, write_jsonl, field):
    rows = write_jsonl("rows.jsonl", [pope_row(1, **{field: [EVIL]})])
    answers = write_jsonl("answers.jsonl", [{"id": "1", "prediction": EVIL}])
    main(["score", "pope", "--data", str(rows), "--predictions", str(answers)])
    out, err = capsys.readouterr()
    assert obeyed(out + err) == set()


def test_a_run_of_hostile_data_shows_plan_progress_and_table_and_gives_no_orders(
    tmp_path, monkeypatch, capsys, write_jsonl
):
    monkeypatch.chdir(tmp_path)
    rows = [pope_row(n, category=f"{EVIL}{n % 2}", question=EVIL) for n in range(8)]
    write_jsonl(f"{LOUD}.jsonl", rows)
    write_jsonl(f"a{LOUD}.jsonl", [{"id": str(n), "prediction": EVIL} for n in range(8)])
    engine = ["--engine", "replay", "--model", f"a{LOUD}.jsonl"]
    assert main(["run", "--tasks", "pope", *engine, "--data", f"{LOUD}.jsonl"]) == 0
    assert main(["leaderboard"]) == 0
    out, err = capsys.readouterr()
    assert r"\x1b[2J" in out
    assert "\nforged" not in out
    assert obeyed(out) == set()
    assert obeyed(err) <= {"\r"}  # of the progress bar
    assert obeyed((tmp_path / "results" / "leaderboard.md").read_text()) == set()


def test_a_table_of_results_keeps_one_line_a_row_whatever_its_groups_are_called():
    result = result_of("pope", notes={EVIL: EVIL})
    grouped = type(result)(**{**vars(result), "groups": {EVIL: result.metrics}})
    table = result_table(grouped)
    assert obeyed(table) == set()
    plain = type(result)(**{**vars(result), "groups": {"a": result.metrics}, "notes": {"a": "b"}})
    assert table.count("\n") == result_table(plain).count("\n")


@pytest.fixture
def two_runs(tmp_path, monkeypatch, write_jsonl):
    """Runs of two models, which differ in their hostile names and answers."""
    monkeypatch.chdir(tmp_path)
    rows = write_jsonl("rows.jsonl", [pope_row(n, id=f"{n}{EVIL}<b>|`x`") for n in range(40)])
    for name, word in (("old", "Yes"), ("new", "No")):
        model = f"{name}{LOUD}`x`.jsonl"
        write_jsonl(model, [{"id": f"{n}{EVIL}<b>|`x`", "prediction": word} for n in range(40)])
        engine = ["--engine", "replay", "--model", model]
        assert main(["run", "--tasks", "pope", *engine, "--data", str(rows), "--out", name]) == 0
    return Path("old"), Path("new")


@pytest.mark.parametrize("form", FORMATS)
def test_a_comparison_of_hostile_runs_gives_no_orders(two_runs, form):
    text = FORMATS[form](compare(*two_runs))
    assert "x1b" in text or "u001b" in text
    assert "\nforged" not in text
    assert obeyed(text) == set()
    if form == "md":
        assert "<b>" not in text
        assert "`x`" not in text.replace(r"\`", "")
    if form == "json":
        json.loads(text)


@pytest.mark.parametrize("text", FORMULA)
def test_a_cell_of_mmbenchs_spreadsheet_is_text_whatever_it_begins_with(tmp_path, text):
    sample = Sample("1", text, choices=(text, "b"), references=("A",), groups={"split": text})
    data = DataSet("here", "one row", False, (sample,), "")
    answers = {"1": Prediction("1", text)}
    [path] = SUBMISSIONS["mmbench"].write(data, answers, tmp_path)
    row = next(iter(openpyxl.load_workbook(path).active.iter_rows(min_row=2)))
    texts = [cell for cell in row if cell.column > 1 and cell.value is not None]
    assert {cell.data_type for cell in texts} == {"s"}


# Texts that a pattern with two ways to read them would take for ever on.
LONG = 100_000
ADVERSARIAL = {
    "blanks": " " * LONG,
    "answer is": "answer" + " " * LONG + "is" + " " * LONG + "*" * LONG,
    "answers": "answer is " * (LONG // 10),
    "answers without end": "answer\t" * (LONG // 7),
    "The answer is": "The answer is A" * (LONG // 15),
    "stops": "." * LONG,
    "stops and digits": "1." * (LONG // 2),
    "commas": "," * LONG,
    "numbers": "1,2" * (LONG // 3),
    "digits": "9" * LONG,
    "dots in a number": "0." + "0" * LONG,
    "exponent": "1e" + "9" * LONG,
    "quotes": "'s" * (LONG // 2),
    "marks": ';/[]"{}()=+\\_-><@`,?!' * (LONG // 21),
    "words": "the a an none dont " * (LONG // 19),
    "letters": "A B C D " * (LONG // 8),
    "brackets": "(" * LONG,
    "newlines": "\n" * LONG,
    "one letter": "A" * LONG,
    "beyond": "\U0001f600" * LONG,
    "combining": "e" + "\u0301" * LONG,
    "capitals that grow": "\u0130\ufb03\u1e9e" * (LONG // 3),
    "half pairs": "\ud800" * LONG,
    "nothing": "\0" * LONG,
    "yes and no": "yes no " * (LONG // 7),
}
RULES = {
    "gqa": exact.gqa_answer,
    "scienceqa": letters.scienceqa_letter,
    "seed": letters.seed_letter,
    "vlmevalkit": lambda text: letters.vlmevalkit_letter(text, ["cat", "dog", text[:50]]),
    "ratings": ratings.llava_bench_ratings,
    "correctness": ratings.mmvet_correctness,
    "runs": lambda text: ratings.mmvet_runs([text] * 10),
    "vqa": vqa.vqa_answer,
    "m4c": vqa.m4c_answer,
    "vizwiz": vqa.vizwiz_answer,
    "vqa accuracy": lambda text: vqa.vqa_accuracy(text, [text, "a"] * 5),
    "pope": yes_no.pope_yes_no,
    "mme": yes_no.mme_yes_no,
}


@pytest.mark.parametrize("text", ADVERSARIAL)
@pytest.mark.parametrize("rule", RULES)
def test_no_answer_keeps_a_rule_busy(rule, text):
    started = time.process_time()
    RULES[rule](ADVERSARIAL[text])
    assert time.process_time() - started < 1


@pytest.mark.parametrize("task", sorted(set(task_names()) - {"llava_bench", "mmvet"}))
def test_no_answer_keeps_a_scorer_busy(task):
    card = load_task(task)
    scorer = SCORERS[card.scorer]
    assert not isinstance(scorer, JudgedScorer)
    sample = read_samples(card, "mini").samples[0]
    for text in ADVERSARIAL.values():
        started = time.process_time()
        scorer.score(sample, text)
        assert time.process_time() - started < 1


SECRETS = {
    "HF_TOKEN": "secret-hf-6f1c",
    "HUGGING_FACE_HUB_TOKEN": "secret-hub-6f1c",
    "OPENAI_API_KEY": "secret-openai-6f1c",
    "AZURE_OPENAI_API_KEY": "secret-azure-6f1c",
    "AWS_SECRET_ACCESS_KEY": "secret-aws-6f1c",
}
SOMEWHERE = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9"}  # nobody listens there
COMMANDS = [
    (["run", "--model", "demo", "--tasks", "pope", "--limit", "8"], 0),
    (["leaderboard", "--format", "html", "--out", "board.html"], 0),
    (["explain", "results/runs"], 0),
    (["run", "--model", "owner/name", "--tasks", "pope", "--data", "mini"], 1),
    (["run", "--model", "demo", "--tasks", "pope", "--data", "owner/name"], 1),
    (["run", "--model", "demo", "--tasks", "pope", "--data", "broken.jsonl"], 1),
]


def command(arguments, folder, umask="022", **environment):
    """Run a command in a folder of its own, as a shell would."""
    program = f'umask {umask}; exec {sys.executable} -m llava_eval "$@"'
    variables = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "HF_HOME": str(folder / "hf"),
        "TMPDIR": str(folder / "tmp"),
        "OMP_NUM_THREADS": "1",
        **environment,
    }
    return subprocess.run(
        ["/bin/sh", "-c", program, "llava-eval", *arguments],
        cwd=folder,
        env=variables,
        capture_output=True,
        check=False,
    )


@pytest.mark.slow
def test_no_secret_of_the_environment_reaches_a_file_or_a_stream(tmp_path):
    (tmp_path / "tmp").mkdir()
    (tmp_path / "broken.jsonl").write_text('{"id": 1\n')
    streams = b""
    for arguments, code in COMMANDS:
        done = command(arguments, tmp_path, **SECRETS, **SOMEWHERE)
        assert done.returncode == code, done.stderr
        streams += done.stdout + done.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"run.json", "result.json", "predictions.jsonl"} <= {path.name for path in files}
    for secret in SECRETS.values():
        assert secret.encode() not in streams
        assert [path for path in files if secret.encode() in path.read_bytes()] == []


@pytest.mark.slow
def test_new_files_are_not_for_everybody_to_write(tmp_path):
    (tmp_path / "tmp").mkdir(mode=0o700)
    for arguments, code in COMMANDS[:3]:
        done = command(arguments, tmp_path, umask="000")
        assert done.returncode == code, done.stderr
    made = [path for path in tmp_path.rglob("*") if not path.is_symlink()]
    assert len(made) > 5
    assert [path for path in made if path.stat().st_mode & stat.S_IWOTH] == []


def test_a_link_in_the_way_of_a_new_file_is_not_written_through(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for name in ("a.json", f"a.json.{os.getpid()}.part", "a.json.part"):
        (tmp_path / name).symlink_to(victim)
    write_json(tmp_path / "a.json", {"a": 1})
    assert victim.read_text() == "mine"
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1}


JUDGE = ["--judge-model", "m", "--judge-base-url", "http://127.0.0.1:9/v1"]


@pytest.fixture
def judged_run(tmp_path, write_jsonl):
    """A run of somebody else that the user goes on with, or has graded."""
    rows = [{"id": sample.id, "text": "Yes"} for sample in read_samples(MMVET, "mini").samples]
    model = str(write_jsonl("answers.jsonl", rows[:-1]))
    command = ["run", "--tasks", "mmvet", "--engine", "replay", "--data", "mini"]
    command += ["--model", model, "--out", str(tmp_path / "hr")]
    assert main(command) == 1  # an answer is missing
    return tmp_path / "hr" / "mmvet", {"run": command, "judge": ["judge", str(tmp_path / "hr")]}


MMVET = load_task("mmvet")
CHANGED = [
    ("run", "run.lock"),
    ("run", "predictions.jsonl"),
    ("judge", "run.lock"),
    ("judge", "grades.jsonl"),
]


@pytest.mark.parametrize(("command", "name"), CHANGED)
@pytest.mark.parametrize("target", ["victim", "nothing", "pipe"])
def test_nothing_in_a_run_folder_is_written_through_a_link(
    tmp_path, judged_run, capsys, command, name, target
):
    folder, commands = judged_run
    (tmp_path / "victim").write_text('{"id": "mine"}\nand a line without its end')
    os.mkfifo(tmp_path / "pipe")
    before = (tmp_path / "victim").read_bytes()
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(tmp_path / target)
    capsys.readouterr()
    assert main(commands[command] + (JUDGE if command == "judge" else [])) == 1
    told = capsys.readouterr().err
    assert f"{folder / name}: is a link, and not written through; move it away" in told
    assert (tmp_path / "victim").read_bytes() == before
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(("command", "name"), CHANGED)
def test_a_pipe_in_a_run_folder_is_not_waited_for(judged_run, capsys, command, name):
    folder, commands = judged_run
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    capsys.readouterr()
    assert main(commands[command] + (JUDGE if command == "judge" else [])) == 1
    assert f"{folder / name}: is no file; move it away" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "submit"])
def test_a_folder_below_the_results_is_not_written_through_a_link(
    tmp_path, judged_run, capsys, command
):
    folder, commands = judged_run
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "result.json").write_text("mine")
    link = folder if command == "run" else folder / "submission"
    if command == "run":
        folder.rename(tmp_path / "moved")
    link.symlink_to(tmp_path / "victim")
    capsys.readouterr()
    assert main(commands["run"] if command == "run" else ["submit", str(folder)]) == 1
    assert f"{link}: is a link, and not written through; see --out" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "victim").iterdir()] == ["result.json"]
    assert (tmp_path / "victim" / "result.json").read_text() == "mine"


def test_a_spreadsheet_is_not_written_through_a_link(tmp_path):
    replayed(tmp_path / "mmbench", "mmbench", set(), "a")
    victim, link = tmp_path / "victim", tmp_path / "mmbench" / "submission" / "mmbench.xlsx"
    victim.write_text("mine")
    link.parent.mkdir()
    link.symlink_to(victim)
    assert main(["submit", str(tmp_path / "mmbench")]) == 0
    assert victim.read_text() == "mine"
    assert not link.is_symlink()


def test_a_link_that_appears_under_a_run_is_not_written_through(tmp_path):
    identity = {"task": "pope", "model": "m", "data": "d"}
    answers, victim = tmp_path / "run" / "predictions.jsonl", tmp_path / "victim"
    with RunFolder.open(tmp_path / "run", identity, {"source": "mini"}) as run:
        run.append([Prediction("1", "Yes")])
        answers.rename(victim)
        before = victim.read_bytes()
        answers.symlink_to(victim)
        with pytest.raises(RunError, match="is a link, and not written through"):
            run.append([Prediction("2", "No")])
    assert victim.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("target", ["a pipe", "/dev/zero"])
@pytest.mark.parametrize("name", ["result.json", "run.json"])
def test_what_is_no_file_is_neither_waited_for_nor_read_without_end(tmp_path, name, target):
    replayed(tmp_path / "pope", "pope", {3}, "a")
    (tmp_path / "pope" / name).unlink()
    if target == "a pipe":
        os.mkfifo(tmp_path / "pope" / name)
    else:
        (tmp_path / "pope" / name).symlink_to(target)
    done = command(["leaderboard", str(tmp_path)], tmp_path)
    assert done.returncode == 1
    assert done.stderr.decode() == (
        f"llava-eval: {tmp_path}/pope/{name}: cannot be read: not a regular file\n"
    )


TEMPORARY = re.compile(r"""tempfile\.(\w+)|["']/(?:tmp|var/tmp)""")


def test_temporary_files_are_in_private_folders():
    """`TemporaryDirectory` is made for its owner alone; a name in /tmp could be anybody's."""
    found = [
        match
        for path in (ROOT / "llava_eval").rglob("*.py")
        for match in TEMPORARY.finditer(path.read_text(encoding="utf-8"))
    ]
    assert {match[1] for match in found} == {"TemporaryDirectory"}
