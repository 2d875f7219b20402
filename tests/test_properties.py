"""For every answer rule, scorer and reader: no exception, values in [0, 1], no order of rows."""

import dataclasses
import importlib
import inspect
import json
import math
import pkgutil
import tempfile
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llava_eval import answers
from llava_eval.answers import exact, letters, ratings, vqa, yes_no
from llava_eval.errors import PredictionsError
from llava_eval.predictions import load_grades, load_predictions
from llava_eval.records import Prediction
from llava_eval.rows import READERS
from llava_eval.samples import read_samples, shuffled_clusters
from llava_eval.scorers import SCORERS, JudgedScorer
from llava_eval.scoring import score_predictions
from llava_eval.task import task_names
from tests.bad_input.case import hub_rows, lines
from tests.fuzz.mutate import mutate
from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import TARGETS, attempt, load_task

WORDS = st.sampled_from(
    [
        *("yes", "Yes", "no", "No", "not", "A", "B", "C", "D", "Z", "The answer is", "answer is"),
        *("1,000", "0.5", "8", "-3", "1e2", "1e308", "1e999", "nan", "inf", "ten", "dont", "the"),
        *(".", ",", "'s", "?", "\n", "\t", "\0", "\ud800", "٣", "ß", "İ", ""),
    ]
)
TEXTS = st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=6).map(" ".join))
QUICK = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def _text(value):
    return type(value) is str


def _letter(value):
    return value is None or (len(value) == 1 and value.isupper())


def _fraction(value):
    return 0 <= value <= 1


# Of each public function of `answers`: how it is called with two texts, and what it may return.
RULES = {
    exact.gqa_answer: (lambda rule, a, b: rule(a), _text),
    letters.scienceqa_letter: (lambda rule, a, b: rule(a), _letter),
    letters.seed_letter: (lambda rule, a, b: rule(a), _letter),
    letters.vlmevalkit_letter: (lambda rule, a, b: rule(a, [b, a, "cat"]), _letter),
    yes_no.pope_yes_no: (lambda rule, a, b: rule(a), lambda value: value in ("yes", "no")),
    yes_no.mme_yes_no: (lambda rule, a, b: rule(a), lambda value: value in ("yes", "no", None)),
    ratings.llava_bench_ratings: (
        lambda rule, a, b: rule(a),
        lambda value: value is None or list(map(type, value)) == [float, float],
    ),
    ratings.mmvet_correctness: (
        lambda rule, a, b: rule(a),
        lambda value: value is None or _fraction(value),
    ),
    ratings.mmvet_runs: (
        lambda rule, a, b: rule([a, b] * 3),
        lambda value: all(score is None or _fraction(score) for score in value.scores),
    ),
    vqa.leave_one_out: (lambda rule, a, b: rule(a, [a, b] * 5), _fraction),
    vqa.without_leave_one_out: (lambda rule, a, b: rule(a, [a, b] * 5), _fraction),
    vqa.vqa_accuracy: (lambda rule, a, b: rule(a, [a, b] * 5), _fraction),
    vqa.vqa_references: (
        lambda rule, a, b: rule([a, b] * 5),
        lambda value: all(map(_text, value[1])),
    ),
    vqa.m4c_accuracy: (lambda rule, a, b: rule(a, [a, b] * 5), _fraction),
    vqa.flat: (lambda rule, a, b: rule(a), _text),
    vqa.vqa_answer: (lambda rule, a, b: rule(a), _text),
    vqa.m4c_answer: (lambda rule, a, b: rule(a), _text),
    vqa.vizwiz_answer: (lambda rule, a, b: rule(a), _text),
}


def test_every_answer_rule_is_in_the_table():
    modules = [
        importlib.import_module(f"llava_eval.answers.{module.name}")
        for module in pkgutil.iter_modules(answers.__path__)
    ]
    public = {
        member.__qualname__
        for module in modules
        for name, member in vars(module).items()
        if not name.startswith("_")
        and inspect.isfunction(inspect.unwrap(member) if callable(member) else member)
        and member.__module__ == module.__name__
    }
    assert {rule.__qualname__ for rule in RULES} == public


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@QUICK
@given(TEXTS, TEXTS)
def test_a_rule_reads_any_text(rule, text, other):
    call, fits = RULES[rule]
    assert fits(call(rule, text, other))


@cache
def _rows(task):
    """The mini split's first whole clusters, eight rows or a few more."""
    data = read_samples(load_task(task), "mini")
    some = []
    for cluster in shuffled_clusters(data):
        some += cluster if len(some) < 8 else []
    return dataclasses.replace(data, samples=tuple(some))


def _outcome(task, data, said):
    """Scores by id and the result; None and the message if no row has an answer."""
    judged = isinstance(SCORERS[load_task(task).scorer], JudgedScorer)
    predictions, grades = {}, {}
    for sample, text in said.items():
        if text is not None:
            error = "out of memory" if text == "!" else ""
            predictions[sample] = Prediction(sample, "" if error else text, error=error)
            grades[sample] = tuple(text.split("|")) * 5
    try:
        scores, result = score_predictions(
            load_task(task), data, predictions, grades if judged else None
        )
    except PredictionsError as error:
        return None, str(error)
    return {score.id: score for score in scores}, result


# Points are no percentage, a judge may rate a model above the reference, and the interval of a
# deviation between two runs has no end to speak of.
def _figures(result):
    tables = [result.metrics, *result.groups.values()]
    return [(name, figure) for table in tables for name, figure in table.items()]


@pytest.mark.parametrize("task", task_names())
@QUICK
@given(st.data())
def test_any_answers_have_values_that_the_order_of_the_rows_does_not_move(task, data):
    rows = _rows(task)
    said = {
        sample.id: data.draw(
            st.one_of(TEXTS, st.sampled_from([None, "!", *sample.references, "8 9|0.5 x"]))
        )
        for sample in rows.samples
    }
    scores, result = _outcome(task, rows, said)
    order = data.draw(st.permutations(range(len(rows.samples))))
    samples = tuple(rows.samples[place] for place in order)
    moved = _outcome(task, dataclasses.replace(rows, samples=samples), said)
    assert moved == (scores, result)
    for score in (scores or {}).values():
        assert score.value is None or 0 <= score.value <= 1
    for name, figure in _figures(result) if scores else ():
        known = [n for n in (figure.low, figure.value, figure.high) if n is not None]
        assert all(map(math.isfinite, known)), name
        assert known == sorted(known), name
        if result.unit == "percent" and task != "llava_bench" and name != "run_std":
            assert all(-1e-9 <= n <= 100 + 1e-9 for n in known), name


def test_every_scorer_is_reached():
    assert {load_task(task).scorer for task in task_names()} == set(SCORERS)


NUMBERED = ("mme", "scienceqa")  # rows without an id of their own: the place is the id


def _write(folder, suffix, rows):
    path = folder / f"rows{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif suffix == ".tsv":
        cells = [[c if isinstance(c, str) else json.dumps(c) for c in row.values()] for row in rows]
        table = "\n".join("\t".join(line) for line in [list(rows[0]), *cells])
        path.write_text(table, encoding="utf-8")
    else:
        text = json.dumps(rows) if suffix == ".json" else lines(rows)
        path.write_text(text, encoding="utf-8")
    return path


def _content(task, path):
    samples = read_samples(load_task(task), str(path)).samples
    unnamed = {"id": ""} if task in NUMBERED else {}
    return sorted(repr(dataclasses.replace(s, images=(), **unnamed)) for s in samples)


@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize("task", task_names())
def test_the_order_of_the_rows_of_a_file_moves_no_sample(tmp_path, task, suffix):
    rows = hub_rows(task)
    still = _content(task, _write(tmp_path, suffix, rows))
    assert len(still) == 4
    for order in ([3, 2, 1, 0], [1, 3, 0, 2]):
        assert _content(task, _write(tmp_path, suffix, [rows[n] for n in order])) == still


@QUICK
@given(st.lists(st.tuples(st.integers(0, 10**9), TEXTS), unique_by=lambda row: row[0]), st.data())
def test_the_order_of_the_lines_of_predictions_and_grades_moves_nothing(rows, data):
    moved = data.draw(st.permutations(rows))
    task, samples = load_task("pope"), _rows("pope")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.jsonl"

        def read(pairs):
            path.write_text(lines({"id": n, "text": t} for n, t in pairs), encoding="utf-8")
            predictions = load_predictions(path, task, samples)
            path.write_text(lines({"id": n, "replies": [t]} for n, t in pairs), encoding="utf-8")
            return predictions, load_grades(path)

        assert read(moved) == read(rows)


@cache
def _good(name):
    return SEEDS[name]()


@pytest.mark.filterwarnings("ignore")  # of other libraries, about files that they then refuse
@pytest.mark.parametrize("name", TARGETS)
@QUICK
@given(st.data())
def test_a_spoiled_file_is_read_or_refused_in_our_own_words(name, data):
    content = data.draw(st.sampled_from(_good(name)))
    noise = data.draw(st.binary(max_size=8))

    def plain(each):
        place = data.draw(st.integers(0, len(each)))
        return each[:place] + noise + each[place + data.draw(st.integers(0, 9)) :]

    for _ in range(data.draw(st.integers(1, 3))):
        content = mutate(content, data.draw(st.integers(0, 2**32)), plain, 700_000)
    said = attempt(name, content)
    assert said is None or said.strip()
