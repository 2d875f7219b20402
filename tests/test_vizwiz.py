import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llava_eval.errors import DataError
from llava_eval.predictions import load_predictions
from llava_eval.prompts import build_request
from llava_eval.records import Prediction, Sample
from llava_eval.samples import read_samples
from llava_eval.scorers.base import score_sample
from llava_eval.scorers.vqa import VIZWIZ
from llava_eval.scoring import score_predictions
from llava_eval.task import load_task
from tests.annotators import some, ten
from tests.conftest import golden

TASK = load_task("vizwiz")
SUFFIX = (
    "\nWhen the provided information is insufficient, respond with 'Unanswerable'."
    "\nAnswer the question using a single word or phrase."
)

# references, the model's words, accuracy, accuracy of the older release that leaves nobody out.
# The answer has been through the M4C processor and VizWiz's own rule, the references through none.
ADVERSARIAL = [
    (ten("unanswerable"), "Unanswerable", 1, 1),
    (ten("unanswerable"), "unanswerable.", 1, 1),
    (ten("unanswerable"), "Unanswerable\n", 1, 1),
    (ten("unanswerable"), "un answerable", 0, 0),
    (ten("unanswerable"), "The image is too blurry.", 0, 0),
    (ten("Unanswerable"), "Unanswerable", 0, 0),
    (ten("unsuitable image"), "Unsuitable Image", 1, 1),
    (ten("two"), "two", 0, 0),
    (ten("2"), "two", 1, 1),
    (ten("2"), "2.", 1, 1),
    (ten("none"), "None", 0, 0),
    (ten("0"), "None", 1, 1),
    (ten("nan"), "nan", 1, 1),
    (ten("nan"), "NaN", 1, 1),
    (ten("na"), "NA", 1, 1),
    (ten("n/a"), "n/a", 0, 0),
    (ten("n"), "N/A", 1, 1),
    (ten("the dog"), "the dog", 0, 0),
    (ten("dog"), "The dog.", 1, 1),
    (ten("Coca-Cola"), "coca-cola", 0, 0),
    (ten("coca-cola"), "coca-cola", 0, 0),
    (ten("coca cola"), "Coca-Cola", 1, 1),
    (ten("t shirt"), "t-shirt", 1, 1),
    (ten("don't know"), "dont know", 1, 1),
    (ten("don't know"), "Don't know", 1, 1),
    (ten("don’t know"), "dont know", 0, 0),
    (ten("dont know"), "dont know", 0, 0),
    (ten("where's it"), "wheres it", 1, 1),
    (ten("she's"), "she's", 0, 0),
    (ten("tom's"), "tom's", 0, 0),
    (ten("tom 's"), "tom's", 1, 1),
    (ten("it's dog"), "it's a dog", 0, 0),
    (ten("somebodyd"), "somebody'd", 1, 1),
    (ten("cat dog"), "cat,dog", 0, 0),
    (ten("catdog"), "cat,dog", 1, 1),
    (ten("cat dog"), "cat, dog", 1, 1),
    (ten("10:30"), "10:30", 1, 1),
    (ten("3.5"), "3.5", 1, 1),
    (ten("35"), "3.5", 0, 0),
    (ten("1000"), "1,000", 1, 1),
    (ten("1,000"), "1,000", 0, 0),
    (ten(""), "", 1, 1),
    (ten(""), "A", 1, 1),
    (ten(""), "\t\n", 1, 1),
    (ten("red"), "", 0, 0),
    (ten(" red"), "red", 0, 0),
    (ten("red"), " RED ", 1, 1),
    (ten("Red"), "Red", 0, 0),
    (ten("red"), "red\u200b", 0, 0),
    (ten("red"), "red " * 2000, 0, 0),
    (ten("红色"), "红色", 1, 1),
    (ten("红色"), "红色。", 0, 0),
    (ten("café"), "CAFÉ", 1, 1),
    (ten("50%"), "50%", 1, 1),
    (ten("$5"), "$5", 1, 1),
    (ten("keyboard"), "It is a keyboard.", 0, 0),
    (ten("it is keyboard"), "It is a keyboard.", 1, 1),
    (ten("am"), "a.m.", 1, 1),
    (ten("yes"), "Yes!!!", 1, 1),
    (ten("yes"), "yes, it is", 0, 0),
    (ten("10"), "ten", 1, 1),
    (ten("11"), "eleven", 0, 0),
    (ten("line1 line2"), "line1\nline2", 1, 1),
    (ten("x"), "." * 33 + "x", 1, 1),
    (some(1, "yes"), "yes", 0.3, 1 / 3),
    (some(2, "yes"), "YES", 0.6, 2 / 3),
    (some(3, "yes"), "Yes.", 0.9, 1),
    (some(4, "yes"), "yes", 1, 1),
    (["unanswerable"] * 3 + ["Unanswerable"] * 7, "Unanswerable", 0.9, 1),
]


@pytest.mark.parametrize(("references", "text", "accuracy", "older"), ADVERSARIAL)
def test_an_answer_scores_as_the_written_rule_says(references, text, accuracy, older):
    reading = VIZWIZ.score(Sample("1", "?", references=tuple(references)), text)
    assert (reading.value, *reading.details) == (accuracy, older)


@pytest.mark.parametrize("vector", golden("vizwiz"))
def test_the_m4c_processor_before_it_moves_no_golden_answer(vector):
    sample = Sample("1", "?", references=tuple(vector["references"]))
    assert round(100 * VIZWIZ.score(sample, vector["text"]).details[0], 2) == vector["accuracy"]


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("what is this?", "What is this?"),
        ("Can you tell me what this IS?  Thank you.", "Can you tell me what this is?  thank you."),
        ("Is it an iPhone", "Is it an iphone"),
        ("", ""),
    ],
)
def test_a_question_becomes_the_text_of_llavas_question_file(question, text):
    assert build_request(TASK, Sample("1", question)).text == text + SUFFIX


def row(number, **changes):
    """A row in the schema of lmms-lab/VizWiz-VQA."""
    words = ("unanswerable", "Red", "red", "2", "two")
    return {
        "question_id": f"VizWiz_val_{number:08d}",
        "question": f"What IS {number}?",
        "answers": [words[number * place % (1 + number % 5)] for place in range(10)],
        "category": ("unanswerable", "other", "yes/no", "number")[number % 4],
    } | changes


ROWS = [row(number) for number in range(14)]


def annotation(r):
    """The same row as vizwiz.org has it."""
    return {
        "image": f"{r['question_id']}.jpg",
        "question": r["question"],
        "answers": [{"answer": a, "answer_confidence": "maybe"} for a in r["answers"]],
        "answer_type": r["category"],
        "answerable": 1,
    }


@pytest.mark.parametrize("file", ["val.json", "Annotations/val.json"])
def test_the_hubs_rows_and_the_official_files_give_the_same_metrics(tmp_path, file):
    path = tmp_path / "playground/data/eval/vizwiz" / file
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps([annotation(r) for r in ROWS]))
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    first = read_samples(TASK, str(tmp_path / "rows.parquet"))
    second = read_samples(TASK, str(tmp_path))
    assert first.digest == second.digest
    answers = {r["question_id"]: Prediction(r["question_id"], "Two") for r in ROWS}
    answers |= {r["question_id"]: Prediction(r["question_id"], "red") for r in ROWS[::3]}
    results = [score_predictions(TASK, data, answers)[1] for data in (first, second)]
    assert results[0].metrics == results[1].metrics
    assert results[0].groups == results[1].groups
    assert sorted(results[0].groups) == ["number", "other", "unanswerable", "yes/no"]
    assert 0 < results[0].headline.value < 100


def llava_question(number):
    return {
        "question_id": number,
        "image": f"VizWiz_test_{number:08d}.jpg",
        "text": f"What is {number}?{SUFFIX}",
        "category": "default",
    }


def test_llavas_test_questions_are_read_and_wait_for_the_server(tmp_path, write_jsonl):
    write_jsonl("vizwiz/llava_test.jsonl", [llava_question(number) for number in range(3)])
    data = read_samples(TASK, str(tmp_path))
    assert [build_request(TASK, s).text for s in data.samples] == [
        f"What is {number}?{SUFFIX}" for number in range(3)
    ]
    answers = [{"question_id": number, "text": f"answer {number}"} for number in range(3)]
    found = load_predictions(write_jsonl("answers.jsonl", answers), TASK, data)
    assert found["VizWiz_test_00000002"].text == "answer 2"
    assert score_predictions(TASK, data, found)[1].ungraded == 3


@given(st.permutations(range(10)), st.text(max_size=8))
def test_the_order_of_the_rows_moves_nothing(order, text):
    samples = [
        Sample(str(i), "?", references=tuple(some(i, "2")), groups={"answer_type": str(i % 2)})
        for i in range(10)
    ]
    scores = [score_sample(VIZWIZ, s, Prediction(s.id, text or "two")) for s in samples]
    moved = VIZWIZ.summarize([scores[i] for i in order]).metrics
    for name, estimate in VIZWIZ.summarize(scores).metrics.items():
        assert moved[name].value == estimate.value
        assert 0 <= estimate.value <= 100


@pytest.mark.parametrize("withheld", [None, []])
def test_a_test_row_waits_for_the_server(write_jsonl, withheld):
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", [row(1, answers=withheld)])))
    assert VIZWIZ.score(data.samples[0], "red") is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answers": "red"}, "rows.jsonl:1: answers is 'red', must be list"),
        ({"answers": [["red"]]}, r"answers holds \['red'\]"),
        ({"question_id": 7}, "question_id is 7, must be str"),
        ({"question": None}, "question is None"),
    ],
)
def test_a_row_that_is_not_vizwiz_is_refused(write_jsonl, changes, message):
    with pytest.raises(DataError, match=message):
        read_samples(TASK, str(write_jsonl("rows.jsonl", [row(1, **changes)])))


def test_an_annotation_without_answers_is_refused(tmp_path):
    kept = {key: value for key, value in annotation(row(1)).items() if key != "answers"}
    (tmp_path / "val.json").write_text(json.dumps([kept]))
    with pytest.raises(DataError, match=r"val.json:0: no 'answers' here; there is image"):
        read_samples(TASK, str(tmp_path))
