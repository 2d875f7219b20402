import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import llava_eval
from llava_eval.cli import main
from llava_eval.comparison import TaskComparison, compare, verdict_of
from llava_eval.comparison_formats import comparison_to_json
from llava_eval.engines.replay import ReplayEngine
from llava_eval.errors import PredictionsError, RunError, UsageError
from llava_eval.measure import Measured
from llava_eval.records import Estimate, Prediction
from llava_eval.runner import Nobody, run_task
from llava_eval.samples import draw, read_samples
from llava_eval.scorers.paired import PAIRED
from llava_eval.scoring import score_predictions
from llava_eval.store import read_predictions
from llava_eval.task import load_task

BASELINE = Path(__file__).resolve().parents[1] / "results" / "baselines" / "demo"
TASKS = sorted(path.name for path in BASELINE.iterdir())
GQA = load_task("gqa")
MINI = read_samples(GQA, "mini")


def answers(data=MINI, wrong=(), without=(), failed=()):
    return {
        s.id: Prediction(s.id, "", "error", "no image")
        if i in failed
        else Prediction(s.id, "none of these" if i in wrong else s.references[0])
        for i, s in enumerate(data.samples)
        if i not in without
    }


def run(folder, predictions, data=MINI, task=GQA):
    """Write a run folder, its predictions being all there are."""
    run_task(task, data, ReplayEngine(answers(data), "replay"), "replay", folder, False, Nobody())
    lines = [
        {"id": p.id, "text": p.text} | ({"finish": p.finish, "error": p.error} if p.error else {})
        for p in predictions.values()
    ]
    (folder / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture
def baseline(tmp_path):
    return run(tmp_path / "baseline" / "gqa", answers(wrong=range(4)))


def seal(folder, name, **changes):
    """Change what a run folder's file says."""
    path = folder / name
    content = json.loads(path.read_text())
    part = content["identity"] if name == "run.json" else content
    part.update(changes)
    path.write_text(json.dumps(content))


def cli(capsys, *arguments):
    code = main(["compare", *map(str, arguments)])
    return code, capsys.readouterr().out


# --- a run and itself -----------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_a_run_compared_with_itself_is_exactly_zero_everywhere(task):
    [found] = compare(BASELINE / task, BASELINE / task, max_drop=0).tasks
    measured, zero = found.measured, Estimate(0.0, 0.0, 0.0, found.measured.samples, 0.0)
    assert (measured.difference, measured.p, found.p_holm) == (zero, 1.0, 1.0)
    assert measured.gained == measured.lost == ()
    assert measured.baseline == measured.candidate
    assert found.verdict == "pass"


@pytest.mark.parametrize("task", TASKS)
def test_both_values_are_the_ones_of_the_leaderboard(task):
    card = load_task(task)
    data = read_samples(card, "mini")
    _, result = score_predictions(
        card, data, read_predictions(BASELINE / task / "predictions.jsonl")
    )
    [found] = compare(BASELINE / task, BASELINE / task).tasks
    assert found.measured.baseline == pytest.approx(result.headline.value, rel=1e-14)


@pytest.mark.parametrize("number", [1, 2])
def test_identical_answers_pass_on_few_samples_too(tmp_path, number):
    few = draw(MINI, number)
    sides = [run(tmp_path / name, answers(few), few) for name in ("a", "b")]
    assert compare(*sides, max_drop=0).verdict == "pass"


LLAVA_BENCH = load_task("llava_bench")
WILD = read_samples(LLAVA_BENCH, "mini")


def judged(folder, ratings):
    """A run of LLaVA-Bench with a judge's replies beside it."""
    predictions = {s.id: Prediction(s.id, "A cat.") for s in WILD.samples}
    run_task(LLAVA_BENCH, WILD, ReplayEngine(predictions, "r"), "r", folder, False, Nobody())
    lines = [{"id": s.id, "replies": [f"8.3 {ratings(i)}\nso"]} for i, s in enumerate(WILD.samples)]
    (folder / "grades.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_relative_scores_are_compared_through_their_sums(tmp_path):
    sides = [
        judged(tmp_path / "a", lambda i: 6.1 + i % 3),
        judged(tmp_path / "b", lambda i: 5.1 + i % 3 - (i % 5 == 0)),
    ]
    [itself] = compare(sides[0], sides[0]).tasks
    assert (itself.measured.difference.value, itself.verdict) == (0.0, "pass")
    [found] = compare(*sides).tasks
    change = sum(-1 - (i % 5 == 0) for i in range(len(WILD.samples))) / len(WILD.samples)
    assert found.measured.difference.value == pytest.approx(100 * change / 8.3)
    assert (found.verdict, found.measured.mcnemar) == ("regression", None)


def test_a_judged_task_without_grades_is_inconclusive_unless_the_answers_are_the_same(tmp_path):
    sides = [judged(tmp_path / name, lambda i: 6) for name in ("a", "b")]
    for side in sides:
        (side / "grades.jsonl").unlink()
    [same] = compare(*sides).tasks
    assert (same.verdict, same.notes) == ("pass", (f"{len(WILD.samples)} of 72 not graded",))
    path = sides[1] / "predictions.jsonl"
    path.write_text(path.read_text().replace("cat", "dog", 1))
    assert compare(*sides).verdict == "inconclusive"


def test_grades_for_a_task_without_a_judge_are_refused(tmp_path, baseline):
    (baseline / "grades.jsonl").write_text('{"id": "200000000", "replies": ["1"]}\n')
    with pytest.raises(PredictionsError, match="no judge"):
        compare(baseline, baseline)


# --- known answers ---------------------------------------------------------------------------


def test_a_comparison_with_a_known_outcome(tmp_path, baseline):
    candidate = run(tmp_path / "candidate", answers(wrong=range(3, 23)))
    [found] = compare(baseline, candidate, max_drop=5).tasks
    ids = [sample.id for sample in MINI.samples]
    n = len(ids)
    assert found.measured.baseline == pytest.approx(100 * (n - 4) / n)
    assert found.measured.candidate == pytest.approx(100 * (n - 20) / n)
    assert found.measured.difference.value == pytest.approx(-1600 / n)
    assert found.measured.gained == tuple(ids[:3])
    assert found.measured.lost == tuple(ids[4:23])
    assert found.measured.mcnemar == llava_eval.pairing.mcnemar(19, 3)
    assert found.measured.detectable == pytest.approx(2.8015852 * found.measured.difference.error)


EXACT = Estimate(-3.0, -5.0, -1.0, 100, 1.0)


@pytest.mark.parametrize(
    ("difference", "p_holm", "max_drop", "verdict"),
    [
        (EXACT, 0.01, 0.5, "regression"),
        (EXACT, 0.06, 0.5, "inconclusive"),  # after Holm it may be an accident
        (EXACT, 0.01, 3.0, "inconclusive"),  # no larger than allowed, but perhaps
        (EXACT, 0.01, 5.0, "pass"),
        (Estimate(0.0, 0.0, 0.0, 5, 0.0), 1.0, 0.0, "pass"),
        (Estimate(0.2, -0.4, 0.8, 100, 0.3), 0.5, 0.5, "pass"),
        (Estimate(0.2, -0.6, 1.0, 100, 0.4), 0.6, 0.5, "inconclusive"),
        (Estimate(9.0, 5.0, 13.0, 100, 2.0), 0.01, 0.5, "pass"),
        (Estimate(-50.0, None, None, 4), 1.0, 0.5, "inconclusive"),
        (Estimate(None, None, None, 0), None, 0.5, "inconclusive"),
    ],
)
def test_the_verdict_on_one_task(difference, p_holm, max_drop, verdict):
    task = TaskComparison(
        "gqa", "accuracy", "percent", max_drop, Measured(difference=difference), p_holm
    )
    assert verdict_of(task) == verdict


def test_holm_is_over_the_tasks_that_were_tested():
    found = compare(BASELINE, BASELINE)
    assert [task.task for task in found.tasks][:3] == ["vqav2", "gqa", "vizwiz"]
    assert all(task.p_holm == 1.0 for task in found.tasks)


def test_a_drop_that_one_test_would_call_real_is_not_one_among_ten(tmp_path, baseline):
    candidate = run(tmp_path / "candidate" / "gqa", answers(wrong={*range(4), *range(10, 80, 10)}))
    alone = compare(baseline, candidate, max_drop=0.5)
    for task in TASKS:
        if task != "gqa":
            for side in ("baseline", "candidate"):
                shutil.copytree(BASELINE / task, tmp_path / side / task)
    among = compare(tmp_path / "baseline", tmp_path / "candidate", max_drop=0.5)
    [gqa] = [task for task in among.tasks if task.task == "gqa"]
    assert (alone.tasks[0].p_holm, gqa.p_holm) == (2 / 2**7, 10 * 2 / 2**7)
    assert (alone.verdict, among.verdict) == ("regression", "inconclusive")


def test_the_allowed_drop_of_mme_is_a_share_of_its_2000_points():
    [mme] = compare(BASELINE / "mme", BASELINE / "mme", max_drop=0.5).tasks
    assert (mme.unit, mme.max_drop) == ("points", 10.0)
    assert PAIRED["mme"]["cognition"].full_scale == 800


# --- the guard -------------------------------------------------------------------------------


def other_prompt(folder):
    lines = [*GQA.prompt.lines[:-1]]
    seal(folder, "run.json", prompt={"lines": lines, "question": GQA.prompt.question})


def shorter(folder):
    seal(folder, "run.json", max_new_tokens=16)


def other_dialect(folder):
    seal(folder, "result.json", dialect="lmms-eval")


def other_judge(folder):
    seal(folder, "result.json", judge="gpt-4")


GUARDED = [
    (other_prompt, "no short-answer instruction"),
    (shorter, "at most 16 new tokens instead of 128"),
    (other_dialect, "dialect lmms-eval instead of llava"),
    (other_judge, "judge gpt-4 instead of none"),
]


@pytest.mark.parametrize(("change", "words"), GUARDED)
@pytest.mark.parametrize("form", ["text", "md", "json"])
def test_runs_that_differ_in_what_they_are_are_refused_by_name(
    tmp_path, baseline, capsys, change, words, form
):
    candidate = run(tmp_path / "candidate", answers())
    change(candidate)
    code, out = cli(capsys, baseline, candidate, "--format", form)
    assert (code, words in out, "refused" in out) == (4, True, True)
    code, out = cli(capsys, baseline, candidate, "--format", form, "--force", "--max-drop", 9)
    assert (code, words in out, "force" in out) == (0, True, True)


def test_another_version_of_the_data_is_refused(tmp_path, baseline, capsys, write_jsonl):
    fewer = draw(MINI, 60)
    candidate = run(tmp_path / "candidate", answers(fewer), fewer)
    code, out = cli(capsys, baseline, candidate)
    assert code == 4
    assert f"gqa: refused: a draw of {len(fewer.samples)} samples" in out
    code, out = cli(capsys, candidate, baseline)
    assert code == 4
    assert f"refused: all 112 samples, not a draw of {len(fewer.samples)}" in out


def test_forced_runs_are_compared_over_the_rows_that_both_have(tmp_path, baseline):
    fewer = draw(MINI, 60)
    candidate = run(tmp_path / "candidate", answers(fewer), fewer)
    found = compare(baseline, candidate, force=True, max_drop=50)
    assert (found.forced, found.tasks[0].measured.samples) == (True, len(fewer.samples))


def test_the_two_files_of_a_benchmark_are_refused_in_the_cards_words(tmp_path, capsys, baseline):
    candidate = run(tmp_path / "candidate", answers())
    for folder, version, digest in ((baseline, "A (May)", "a"), (candidate, "B (June)", "b")):
        content = json.loads((folder / "run.json").read_text())
        content["environment"]["version"] = version
        content["identity"]["data"] = digest
        (folder / "run.json").write_text(json.dumps(content))
        seal(folder, "result.json", data=digest, known=True)
    _, out = cli(capsys, baseline, candidate, "--force")
    assert "gqa: compared all the same (--force): B (June)" in out
    assert "forced: not a comparison of like with like" in out
    with pytest.raises(RunError, match="does not hold the rows that it was made from"):
        compare(baseline, candidate)


@pytest.mark.parametrize(
    ("lacking", "words"),
    [({"without": (5, 6)}, "2 of 112 missing"), ({"failed": (5,)}, "1 of 112 failed")],
)
def test_an_incomplete_side_is_refused_and_named(tmp_path, baseline, capsys, lacking, words):
    candidate = run(tmp_path / "candidate", answers(**lacking))
    assert cli(capsys, baseline, candidate)[0] == 4
    assert f"refused: candidate incomplete: {words}" in cli(capsys, baseline, candidate)[1]
    assert f"refused: baseline incomplete: {words}" in cli(capsys, candidate, baseline)[1]
    code, out = cli(capsys, candidate, baseline, "--force", "--max-drop", 20)
    assert (code, "compared all the same (--force)" in out) == (0, True)


def test_rows_that_failed_on_both_sides_alike_keep_nothing_apart(tmp_path):
    sides = [run(tmp_path / name, answers(failed=(5,), wrong=(7,))) for name in "ab"]
    found = compare(*sides)
    assert (found.verdict, found.tasks[0].notes) == ("pass", ("1 of 112 failed",))
    assert found.tasks[0].measured.samples == 111


def test_the_same_draw_on_both_sides_is_compared_and_said(tmp_path):
    fewer = draw(MINI, 60)
    sides = [run(tmp_path / name, answers(fewer), fewer) for name in "ab"]
    found = compare(*sides)
    assert (found.verdict, found.tasks[0].notes) == (
        "pass",
        (f"a draw of {len(fewer.samples)} samples",),
    )


def test_a_task_that_the_candidate_lacks_is_refused(baseline, capsys):
    code, out = cli(capsys, baseline.parent, BASELINE / "pope")
    assert code == 4
    assert "gqa: refused: the candidate has no run of it" in out
    assert "pope: not in the baseline, not compared" in out


def test_a_scorer_that_has_changed_since_is_noted_and_both_sides_are_scored_anew(
    tmp_path, baseline
):
    candidate = run(tmp_path / "candidate", answers(wrong=range(4)))
    seal(baseline, "result.json", scorer_version=0)
    found = compare(baseline, candidate)
    assert found.verdict == "pass"
    assert found.tasks[0].notes == (
        "baseline: its result.json is by gqa version 0; scored anew by gqa version 1",
    )


def test_weights_and_versions_may_differ_and_are_shown(tmp_path, baseline, capsys):
    candidate = run(tmp_path / "candidate", answers(wrong=range(4)))
    seal(candidate, "run.json", weights="other", dtype="float16")
    code, out = cli(capsys, baseline, candidate)
    assert code == 0
    assert "dtype: none -> float16" in out
    assert "weights: none -> other" in out


# --- the command line ------------------------------------------------------------------------


def test_exit_codes_tell_pass_regression_and_inconclusive_apart(tmp_path, baseline, capsys):
    worse = run(tmp_path / "worse", answers(wrong=range(50)))
    little = run(tmp_path / "little", answers(wrong=range(6)))
    assert cli(capsys, baseline, worse)[0] == 3
    assert cli(capsys, worse, baseline)[0] == 0
    code, out = cli(capsys, baseline, little)
    assert code == 4
    assert "gqa: a drop of 5.45 is not excluded, 0.5 percent allowed" in out


def test_a_metric_without_a_part_for_each_sample_has_no_paired_test(tmp_path, baseline):
    card = (Path(GQA.home) / "gqa.yaml").read_text("utf-8").replace("name: gqa", "name: spread")
    (tmp_path / "cards").mkdir()
    path = tmp_path / "cards" / "spread.yaml"
    path.write_text(card.replace("primary: accuracy", "primary: distribution"), "utf-8")
    own = load_task("spread", tmp_path / "cards")
    rows = str(GQA.home / "mini" / "gqa.parquet")
    data = read_samples(own, rows)
    sides = [
        run(tmp_path / str(wrong), answers(data, wrong=range(wrong)), data, own) for wrong in (0, 5)
    ]
    [found] = compare(*sides, tasks_dir=tmp_path / "cards").tasks
    words = ("no sample has a part of its own in distribution: no paired test",)
    assert (found.verdict, found.notes) == ("inconclusive", words)
    assert compare(sides[0], sides[0], tasks_dir=tmp_path / "cards").verdict == "pass"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["./no", "{run}"], "no: no such folder of runs"),
        (["{empty}", "{run}"], "no run in it"),
        (["{run}", "{run}", "--max-drop", "-1"], "--max-drop -1: must be 0 or more"),
        (["{run}", "{run}", "--max-drop", "nan"], "--max-drop nan: must be 0 or more"),
        (["{run}", "{run}", "--tasks", "gpa"], "did you mean 'gqa'"),
        (["{run}", "{run}", "--tasks", ","], "names no task"),
        (["{twice}", "{run}"], "two runs of gqa"),
    ],
)
def test_a_mistake_on_the_command_line_is_exit_code_2(
    tmp_path, baseline, capsys, arguments, message
):
    run(tmp_path / "twice" / "a", answers())
    run(tmp_path / "twice" / "b", answers())
    (tmp_path / "empty").mkdir()
    places = {"run": baseline, "empty": tmp_path / "empty", "twice": tmp_path / "twice"}
    assert main(["compare", *(a.format(**places) for a in arguments)]) == 2
    assert message in capsys.readouterr().err


def test_json_has_every_id_and_text_a_few(tmp_path, baseline, capsys):
    candidate = run(tmp_path / "candidate", answers(wrong=range(4, 34)))
    _, text = cli(capsys, baseline, candidate)
    assert "gqa: lost 200000004, 200000005, 200000006, 200000007, 200000008 and 25 more" in text
    code, out = cli(capsys, baseline, candidate, "--format", "json")
    content = json.loads(out)
    assert (content["exit_code"], content["verdict"]) == (code, "regression")
    assert len(content["tasks"][0]["lost"]) == 30
    assert set(content["tasks"][0]) >= {
        "task", "metric", "unit", "max_drop", "verdict", "samples", "baseline", "candidate",
        "difference", "gained", "lost", "p", "test", "p_holm", "mcnemar", "detectable", "apart",
        "recorded", "notes",
    }  # fmt: skip


def test_json_says_the_same_as_python(baseline, capsys):
    _, out = cli(capsys, baseline, baseline, "--format", "json")
    assert json.loads(out) == json.loads(
        json.dumps(comparison_to_json(compare(baseline, baseline)))
    )


def test_the_result_of_an_unfinished_run_is_not_needed(tmp_path, baseline):
    candidate = run(tmp_path / "candidate", answers(wrong=range(4)))
    for name in ("result.json", "scores.jsonl"):
        (candidate / name).unlink()
    assert compare(baseline, candidate).verdict == "pass"


def test_comparing_imports_no_torch():
    program = (
        "import sys; from llava_eval.cli import main;"
        f"main(['compare', {str(BASELINE)!r}, {str(BASELINE)!r}]);"
        "print([m for m in ('torch', 'transformers', 'scipy.stats', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_compare_is_there_from_python(baseline):
    assert llava_eval.compare(baseline, baseline).exit_code == 0


def test_a_side_that_is_no_run_folder_is_one_line(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(RunError, match="not a run of ours"):
        compare(tmp_path, tmp_path)


def test_tasks_chooses(baseline):
    with pytest.raises(UsageError, match="in neither side"):
        compare(BASELINE, BASELINE, tasks="mmvet")
    found = compare(BASELINE, BASELINE, tasks=["pope", "mme"])
    assert [task.task for task in found.tasks] == ["pope", "mme"]
