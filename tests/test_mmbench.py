"""MMBench and MMBench-CN: prompt, inference of letters, circles, both sources, spreadsheet."""

import base64
import csv
import random

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llava_eval.answers.letters import vlmevalkit_letter
from llava_eval.errors import DataError
from llava_eval.predictions import load_predictions
from llava_eval.prompts import build_request
from llava_eval.records import Prediction, Sample, Score
from llava_eval.samples import read_samples
from llava_eval.scorers.circular import MMBENCH
from llava_eval.scoring import score_predictions
from llava_eval.submissions import SUBMISSIONS
from llava_eval.task import load_task
from tests.conftest import golden

TASK, TASK_CN = load_task("mmbench"), load_task("mmbench_cn")
LETTER = "Answer with the option's letter from the given choices directly."
PETS = ("cat", "dog", "teddy bear", "a cat and a dog")
COLOURS = ("red", "green", "blue", "dark blue")  # 21 characters: text counts up to 42


def row(index=7, **changes):
    """A row in the schema of lmms-lab/MMBench."""
    return {
        "index": index,
        "question": "Which colour?",
        "hint": None,
        "answer": "B",
        "A": "red",
        "B": "green",
        "C": None,
        "D": None,
        "category": "image_style",
        "source": "web",
        "L2-category": "coarse_perception",
        "comment": None,
        "split": "dev",
    } | changes


@pytest.mark.parametrize("vector", golden("mmbench"), ids=lambda v: repr(v["text"]))
def test_every_golden_answer_is_inferred_as_vlmevalkit_infers_it(vector):
    assert vlmevalkit_letter(vector["text"], PETS) == vector["parsed"]


# By hand from the rule, for COLOURS. "-" stands for what VLMEvalKit would ask a judge about.
ADVERSARIAL = [
    ("A", "A"),
    ("D", "D"),
    ("E", "-"),
    ("a", "-"),
    ("B.", "B"),
    ("[C]", "C"),
    ("{D}", "D"),
    ("#B", "B"),
    ("B!", "B"),
    ("B;", "B"),
    ("B?", "-"),
    ("B/C", "-"),
    ("`C`", "-"),
    ('"C"', "-"),
    ("*C*", "C"),
    ("B-green", "B"),
    ("B.green", "B"),
    ("B\n", "B"),
    ("\tB", "B"),
    ("B\u00a0green", "B"),
    ("B\u200b", "-"),
    ("AB", "-"),
    ("A,B", "-"),
    ("A and B", "-"),
    ("B B", "B"),
    ("B or maybe B", "B"),
    ("B is the color of grass", "-"),
    ("The grass, as we know, is B", "B"),
    ("I choose B of all four", "B"),
    ("I choose B of all four options", "-"),
    ("B。", "-"),
    ("答案是B", "-"),
    ("答案：B", "-"),
    ("选 B", "B"),
    ("B 绿色", "B"),
    ("（B）", "-"),
    ("Ｂ", "-"),
    ("Ⓑ", "-"),
    ("Option B", "B"),
    ("option b", "-"),
    ("red", "A"),
    ("Red.", "A"),
    ("RED", "A"),
    ("reddish", "A"),
    ("bored", "A"),
    ("blue", "C"),
    ("dark blue", "-"),
    ("not green", "B"),
    ("red or green", "-"),
    ("yellow", "-"),
    ("A green one", "A"),
    ("It is a green one", "B"),
    ("the answer is b", "B"),
    ("Answer is: B", "B"),
    ("The answer is **b**", "B"),
    ("the answer is cold", "C"),
    ("The correct answer is a bit of a guess, sorry", "A"),
    ("My answer is unclear", "-"),
    ("answer is E", "-"),
    ("The answer is B because grass is green and lovely", "B"),
    ("A is wrong, the answer is B", "B"),
    ("the answer\n is\t D", "D"),
    ("two", "-"),
    ("2", "-"),
    ("the second", "-"),
    ("Z", "Z"),
    ("Z.", "Z"),
    ("z", "-"),
    ("Z B", "B"),
    ("A or B or Z", "-"),
    ("B lies behind the letter Z here", "-"),
    ("Sorry, I can't help with images of people yet. B", "Z"),
    ("I can't process this file.", "Z"),
    ("I'm sorry, but without the image provided, A", "Z"),
    ("Cannot determine the answer, maybe B", "Z"),
    ("cannot determine the answer", "-"),
    ("Failed to obtain answer via API B", "-"),
    ("Failed to obtain answer via API: red", "A"),
    ("", "-"),
    (" ", "-"),
    ("None", "-"),
    ("NA", "-"),
    ("nan", "-"),
    ("N/A", "-"),
    ("🟢 green", "B"),
    ("green" + "." * 37, "B"),
    ("green" + "." * 38, "-"),
    ("green " * 20, "-"),
    ("x" * 5000, "-"),
]


@pytest.mark.parametrize(("text", "letter"), ADVERSARIAL, ids=lambda v: ascii(v)[:40])
def test_invented_answers_are_inferred_by_the_written_rule(text, letter):
    assert vlmevalkit_letter(text, COLOURS) == (None if letter == "-" else letter)


@pytest.mark.parametrize(
    ("text", "letter"), [("C", None), ("A C", "A"), ("the answer is C", None), ("no", "B")]
)
def test_only_the_letters_of_the_options_count(text, letter):
    assert vlmevalkit_letter(text, ("yes", "no")) == letter


@pytest.mark.parametrize("text", ["paris", "It is PARIS.", "Paris"])
def test_the_case_of_an_option_does_not_matter(text):
    assert vlmevalkit_letter(text, ("Paris", "Rome")) == "A"


@given(st.text(), st.lists(st.text(), max_size=4))
def test_any_text_gives_an_options_letter_z_or_nothing(text, choices):
    assert vlmevalkit_letter(text, choices) in {*"ABCD"[: len(choices)], "Z", None}


@given(st.text(alphabet="ABCDZ abcd.:*answeri\n"))
def test_any_answer_has_a_value(text):
    sample = Sample("1", "?", choices=COLOURS, references=("A",))
    assert MMBENCH.score(sample, text).value in (0.0, 1.0)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "Which colour?\nA. red\nB. green"),
        ({"C": "blue", "D": "pink"}, "Which colour?\nA. red\nB. green\nC. blue\nD. pink"),
        ({"C": "None", "D": "pink"}, "Which colour?\nA. red\nB. green"),
        ({"C": "NONE", "D": "pink"}, "Which colour?\nA. red\nB. green"),
        ({"C": "nan", "D": "pink"}, "Which colour?\nA. red\nB. green"),
        ({"C": "None of them"}, "Which colour?\nA. red\nB. green\nC. None of them"),
        ({"B": "No"}, "Which colour?\nA. red\nB. No"),
        ({"hint": "Look.\nWell."}, "Look.\nWell.\nWhich colour?\nA. red\nB. green"),
        ({"hint": "nan"}, "Which colour?\nA. red\nB. green"),
        ({"hint": "[x] {question}"}, "[x] {question}\nWhich colour?\nA. red\nB. green"),
        ({"question": " What \nis it? "}, " What \nis it? \nA. red\nB. green"),
        ({"A": None}, "Which colour?"),
    ],
)
@pytest.mark.parametrize(("task", "last"), [(TASK, LETTER), (TASK_CN, "请直接回答选项字母。")])
def test_a_row_becomes_the_text_that_llava_asks(write_jsonl, changes, text, task, last):
    data = read_samples(task, str(write_jsonl("rows.jsonl", [row(**changes)])))
    assert build_request(task, data.samples[0]).text == f"{text}\n{last}"


@pytest.mark.parametrize("word", ["NA", "N/A", "null", "None", "nan", ""])
def test_in_the_table_a_word_that_pandas_takes_for_a_gap_ends_the_options(tmp_path, word):
    write_table(tmp_path / "rows.tsv", [row(B=word, C="blue", hint=word)])
    sample = read_samples(TASK, str(tmp_path / "rows.tsv")).samples[0]
    assert (sample.choices, sample.hint) == (("red",), "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"index": "x"}, "rows.jsonl:1: index is 'x', must be a whole number"),
        ({"index": "-1"}, "index is '-1', must be a whole number"),
        ({"index": None}, "index is None, must be str or int"),
        ({"answer": "E"}, "the reference is 'E', must be 'A' or 'B' or 'C' or 'D'"),
        ({"answer": 1}, "answer is 1, must be a text"),
        ({"A": 3}, "A is 3, must be a text"),
        ({"question": None}, "question is None, must be str"),
    ],
)
def test_a_row_that_cannot_be_scored_is_refused(write_jsonl, changes, message):
    with pytest.raises(DataError, match=message):
        read_samples(TASK, str(write_jsonl("rows.jsonl", [row(**changes)])))


def test_the_test_split_is_read_and_left_to_a_server(write_jsonl):
    rows = [row(answer=None, category=None), row(8, answer="nan", category="nan")]
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", rows)))
    scores, result = score_predictions(TASK, data, {"7": Prediction("7", "A")})
    assert [s.status for s in scores] == ["ungraded", "missing"]
    assert result.metrics["accuracy"].value is None


def circle(base, rotations, options=4, **changes):
    letters, texts = "ABCD"[:options], ["red", "green", "blue", "pink"][:options]
    for turn in range(rotations):
        turned = texts[turn:] + texts[:turn]
        gaps = dict.fromkeys("ABCD"[options:])
        answer = letters[turned.index("green")]
        named = dict(zip(letters, turned, strict=True))
        yield row(base + turn * 1_000_000, answer=answer, **named, **gaps, **changes)


def some_rows():
    """Four circles in two leaves and two L2 categories, of 4, 2, 4 and 3 rotations."""
    ocr = {"category": "ocr", "L2-category": "finegrained_perception (instance-level)"}
    yield from circle(0, 4)
    yield from circle(1, 2, options=2, hint="Look.", **ocr)
    yield from circle(5, 4, **ocr)
    yield from circle(241, 3)


def right(rows):
    return {str(r["index"]): r["answer"] for r in rows}


def figures(task, data, texts):
    predictions = {i: Prediction(i, text) for i, text in texts.items()}
    scores, result = score_predictions(task, data, predictions)
    return scores, result


def test_one_wrong_rotation_makes_the_circle_wrong(write_jsonl):
    rows = list(some_rows())
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", rows)))
    texts = right(rows) | {"2000005": "Z"}
    _, result = figures(TASK, data, texts)
    assert (result.metrics["accuracy"].value, result.metrics["accuracy"].n) == (75.0, 4)
    assert result.metrics["first_rotation_accuracy"].value == 100.0
    assert {name: group["accuracy"].value for name, group in result.groups.items()} == {
        "image_style": 100.0,
        "ocr": 50.0,
        "coarse_perception": 100.0,
        "finegrained_perception (instance-level)": 50.0,
    }


def test_a_wrong_first_rotation_counts_in_both_figures(write_jsonl):
    rows = list(some_rows())
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", rows)))
    _, result = figures(TASK, data, right(rows) | {"5": "D", "1000241": "I see nothing"})
    assert result.metrics["accuracy"].value == 50.0
    assert result.metrics["first_rotation_accuracy"].value == 75.0
    assert result.unparsed == 1


def test_a_circle_with_an_unanswered_row_stays_out_and_the_row_is_counted(write_jsonl):
    rows = list(some_rows())
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", rows)))
    texts = right(rows)
    del texts["1000001"]
    predictions = {i: Prediction(i, text) for i, text in texts.items()}
    predictions["2000000"] = Prediction("2000000", "", "error", "no image")
    _, result = score_predictions(TASK, data, predictions)
    assert (result.metrics["accuracy"].value, result.metrics["accuracy"].n) == (100.0, 2)
    assert (result.missing, result.failed, result.complete) == (1, 1, False)


def test_without_one_whole_circle_the_figures_are_undefined(write_jsonl):
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", list(circle(0, 4)))))
    _, result = figures(TASK, data, {"0": "B"})
    assert (result.metrics["accuracy"].value, result.missing) == (None, 3)


def test_a_circle_without_its_first_rotation_has_no_part_in_that_figure(write_jsonl):
    rows = [*circle(0, 4), *list(circle(1, 4))[1:]]
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", rows)))
    metrics = figures(TASK, data, right(rows) | {"0": "A"})[1].metrics
    assert (metrics["accuracy"].value, metrics["accuracy"].n) == (50.0, 2)
    assert (metrics["first_rotation_accuracy"].value, metrics["first_rotation_accuracy"].n) == (
        0,
        1,
    )


def test_the_interval_is_over_circles(write_jsonl):
    rows = [r for base in range(10) for r in circle(base, 4)]
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", rows)))
    accuracy = figures(TASK, data, right(rows) | dict.fromkeys("01234", "A"))[1].metrics["accuracy"]
    # Ten independent circles, half of them right: 50 / sqrt(10) * sqrt(10 / 9)
    assert (accuracy.value, accuracy.n) == (50.0, 10)
    assert accuracy.error == pytest.approx(50 / 3, abs=1e-9)


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_rows_moves_nothing(shuffler):
    samples = [
        Sample(
            str(base + turn * 1_000_000),
            "?",
            choices=COLOURS,
            references=("A",),
            cluster=str(base),
            groups={"leaf": f"leaf {base % 3}", "l2": ""},
        )
        for base in range(9)
        for turn in range(4)
    ]
    rng = random.Random(0)
    scores = []
    for sample in samples:
        reading = MMBENCH.score(sample, rng.choice("AAAAB"))
        scores.append((sample, reading))
    made = [Score(s.id, r.value, r.parsed, "scored", s) for s, r in scores]
    shuffled = list(made)
    shuffler.shuffle(shuffled)
    assert MMBENCH.summarize(made) == MMBENCH.summarize(shuffled)


COLUMNS = (
    *("index", "question", "hint", "A", "B", "C", "D", "answer", "category"),
    *("image", "source", "l2-category", "comment", "split"),
)


def write_table(path, rows):
    """The rows as LLaVA's table has them: gaps are empty cells, images base64."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(COLUMNS)
        for content in rows:
            content = content | {
                "l2-category": content["L2-category"],
                "image": base64.b64encode(b"png %d" % (content["index"] % 1_000_000)).decode(),
            }
            table.writerow([content[name] for name in COLUMNS])


PLACES = [
    (TASK, "playground/data/eval/mmbench/mmbench_dev_20230712.tsv", ""),
    (TASK, "playground/data/eval/mmbench/mmbench_dev_20230712.tsv", "playground/data/eval/mmbench"),
    (TASK_CN, "playground/data/eval/mmbench_cn/mmbench_dev_cn_20231003.tsv", ""),
    (TASK_CN, "playground/data/eval/mmbench/mmbench_dev_cn_20231003.tsv", ""),
    (TASK_CN, "eval/mmbench_cn/mmbench_dev_cn_20231003.tsv", "eval/mmbench_cn"),
    (TASK_CN, "eval/mmbench/mmbench_dev_cn_20231003.tsv", "eval/mmbench"),
]


@pytest.mark.parametrize(("task", "place", "given"), PLACES)
def test_both_sources_give_the_same_figures_samples_and_digest(tmp_path, task, place, given):
    rows = list(some_rows())
    rows[1]["question"] = 'Which "colour",\nthe first?'
    write_table(tmp_path / place, rows)
    images = [{"bytes": b"png %d" % (r["index"] % 1_000_000), "path": None} for r in rows]
    hub = [r | {"image": image} for r, image in zip(rows, images, strict=True)]
    pq.write_table(pa.Table.from_pylist(hub), tmp_path / "dev.parquet")
    one = read_samples(task, str(tmp_path / "dev.parquet"))
    other = read_samples(task, str(tmp_path / given))
    texts = right(rows) | {"1000005": "C", "5": "none", "1000241": "A."}
    assert figures(task, one, texts)[1].metrics == figures(task, other, texts)[1].metrics
    assert figures(task, one, texts)[1].groups == figures(task, other, texts)[1].groups
    assert one.digest == other.digest
    assert [s.images[0].read() for s in one.samples] == [s.images[0].read() for s in other.samples]


def test_llavas_answers_are_found_by_their_index(write_jsonl):
    rows = list(some_rows())
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", rows)))
    answers = [
        {"question_id": r["index"], "round_id": 0, "prompt": "no suffix", "text": r["answer"]}
        for r in rows
    ]
    found = load_predictions(write_jsonl("answers.jsonl", answers), TASK, data)
    assert score_predictions(TASK, data, found)[1].metrics["accuracy"].value == 100.0


@pytest.mark.parametrize(("n", "version"), [(4377, "20230712"), (4329, "later")])
def test_versions_are_told_apart_by_their_number_of_rows(write_jsonl, n, version):
    rows = [row(number) for number in range(n)]
    assert read_samples(TASK, str(write_jsonl("r.jsonl", rows))).version.startswith(version)


def sheet(tmp_path, write_jsonl, rows, texts, failed=()):
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", rows)))
    predictions = {i: Prediction(i, text) for i, text in texts.items()}
    predictions |= {i: Prediction(i, "half an", "error", "no image") for i in failed}
    (path,) = SUBMISSIONS["mmbench"].write(data, predictions, tmp_path)
    return list(openpyxl.load_workbook(path).active.iter_rows())


def test_the_spreadsheet_has_llavas_columns_in_their_order(tmp_path, write_jsonl):
    rows = [row(7), row(1_000_007, A="green", B="red", answer="A")]
    lines = sheet(tmp_path, write_jsonl, rows, {"7": "B. green", "1000007": "A"})
    assert [[cell.value for cell in line] for line in lines] == [
        ["index", "question", "A", "B", "C", "D", "prediction", "answer", "split"],
        [7, "Which colour?", "red", "green", None, None, "B. green", "B", "dev"],
        [1_000_007, "Which colour?", "green", "red", None, None, "A", "A", "dev"],
    ]


def test_missing_and_failed_predictions_are_empty_cells(tmp_path, write_jsonl):
    rows = [row(1), row(2), row(3, answer=None)]
    lines = sheet(tmp_path, write_jsonl, rows, {"3": "A"}, failed=["2"])
    assert [line[6].value for line in lines[1:]] == [None, None, "A"]
    assert lines[3][7].value is None


@pytest.mark.parametrize(
    "text",
    [
        "None",
        "NA",
        "nan",
        "=1+1",
        "#N/A",
        "007",
        "TRUE",
        "a\tb\nc",
        "答案",
        "🟢",
        "1.0",
        "2026-01-01",
    ],
)
def test_every_prediction_is_a_text_and_stays_as_it_is(tmp_path, write_jsonl, text):
    cell = sheet(tmp_path, write_jsonl, [row(7, question=text)], {"7": text})[1][6]
    assert (cell.value, cell.data_type) == (text, "s")


def test_what_a_spreadsheet_cannot_hold_does_not_stop_it(tmp_path, write_jsonl):
    lines = sheet(tmp_path, write_jsonl, [row(7), row(8)], {"7": "A\x0b\ud800", "8": "x" * 40_000})
    assert lines[1][6].value == "A\ufffd\ufffd"
    assert len(lines[2][6].value) == 32_767
