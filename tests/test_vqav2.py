import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llava_eval.errors import DataError
from llava_eval.prompts import build_request
from llava_eval.records import Prediction, Sample
from llava_eval.samples import read_samples
from llava_eval.scorers.base import score_sample
from llava_eval.scorers.vqa import VQAV2
from llava_eval.scoring import score_predictions
from llava_eval.task import load_task
from tests.annotators import nine, some, ten

TASK = load_task("vqav2")
SUFFIX = "\nAnswer the question using a single word or phrase."

# references, the model's words, accuracy by the official rule, accuracy of LLaVA's upload.
# Ten who agree are compared raw; the upload has been through the M4C processor before.
ADVERSARIAL = [
    (ten("red"), "red", 1, 1),
    (ten("red"), "Red", 0, 1),
    (ten("red"), "RED.", 0, 1),
    (ten("red"), "red\n", 1, 1),
    (ten("red"), "\tred ", 1, 1),
    (ten("red"), "\u00a0red\u00a0", 1, 1),
    (ten("red"), "red\u200b", 0, 0),
    (ten("red"), "the red", 0, 1),
    (ten("red"), "red, red", 0, 0),
    (ten("red"), "red " * 2000, 0, 0),
    (ten("red"), "", 0, 0),
    (ten("red"), "_", 0, 0),
    (ten("red"), "红色", 0, 0),
    (ten("红色"), "红色", 1, 1),
    (ten("Red"), "Red", 1, 0),
    (ten("2"), "two", 0, 1),
    (ten("two"), "two", 1, 0),
    (ten("none"), "None", 0, 0),
    (ten("None"), "None", 1, 0),
    (ten("nan"), "nan", 1, 1),
    (ten("nan"), "NaN", 0, 1),
    (ten("na"), "NA", 0, 1),
    (ten("n/a"), "n/a", 1, 0),
    (ten(""), "", 1, 1),
    (ten(""), "\n", 1, 1),
    (ten("yes"), "Yes, there is a dog in the picture.", 0, 0),
    (nine("red"), "The color of the car is red.", 0, 0),
    (nine("red"), "RED.", 1, 1),
    (nine("red"), "[red]", 1, 1),
    (nine("red"), '"red"', 1, 1),
    (nine("red"), "`red`", 1, 1),
    (nine("red"), "red。", 0, 0),
    (nine("none"), "None", 1, 1),
    (nine("0"), "zero", 1, 1),
    (nine("nothing"), "nan", 0, 0),
    (nine("nan"), "NaN", 1, 1),
    (nine("n/a"), "N/A", 1, 1),
    (nine("t-shirt"), "T shirt", 1, 1),
    (nine("t-shirt"), "tshirt", 0, 0),
    (nine("yes"), "Yes, it is", 0, 0),
    (nine("yes"), "YES!!!", 1, 1),
    (nine("yes"), "yes no", 0, 0),
    (nine("cat dog"), "cat,dog", 1, 0),
    (nine("cat dog"), "cat, dog", 1, 1),
    (nine("cat dog"), "cat，dog", 0, 0),
    (nine("1000"), "1,000", 1, 1),
    (nine("1000 catsdogs"), "1,000 cats/dogs", 1, 0),
    (nine("ab c"), "a-b - c", 1, 1),
    (nine("ab c"), "a-b -c", 1, 1),
    (nine("ab c"), "a-b- c", 1, 1),
    (nine("x b c"), "x-b-c", 1, 1),
    (nine("b c"), "a-b-c", 1, 1),  # the letter left alone is an article
    (nine("3"), "3.", 1, 1),
    (nine("3.5"), "3.5", 1, 1),
    (nine("35"), "3.5", 0, 0),
    (nine(".5"), ".5", 1, 1),
    (nine("am"), "a.m.", 1, 1),
    (nine("don't"), "dont", 1, 1),
    (nine("don't"), "don’t", 0, 0),
    (nine("it's"), "it's", 1, 0),
    (nine("i'm"), "Im", 0, 0),
    (nine("a"), "the", 1, 1),
    (nine("a"), "", 1, 1),
    (nine("red white"), "red & white", 0, 0),
    (nine("red white"), "red / white", 1, 1),
    (nine("redwhite"), "red- white", 0, 0),
    (nine("10:30"), "10:30", 1, 1),
    (nine("1030"), "10:30", 0, 0),
    (nine("50%"), "50 %", 0, 0),
    (nine("café"), "CAFÉ", 1, 1),
    (nine("2"), "２", 0, 0),
    (nine("11"), "eleven", 0, 0),
    (nine("1 2"), "one, two.", 1, 1),
    (nine("x"), "." * 33 + "x", 0, 1),
    (nine("somebodyd"), "somebody'd", 1, 1),
    (nine("toms"), "tom's", 0, 0),
    (nine("re d"), "re\nd", 1, 1),
    (some(1, "yes"), "YES", 0.3, 0.3),
    (some(2, "yes"), "YES", 0.6, 0.6),
    (some(3, "yes"), "Yes.", 0.9, 0.9),
    (some(4, "yes"), "Yes.", 1, 1),
    (["2"] * 2 + ["two"] + ["dog"] * 7, "Two", 0.9, 0.9),
]


@pytest.mark.parametrize(("references", "text", "accuracy", "upload"), ADVERSARIAL)
def test_an_answer_scores_as_the_written_rule_says(references, text, accuracy, upload):
    reading = VQAV2.score(Sample("1", "?", references=tuple(references)), text)
    assert (reading.value, *reading.details) == (accuracy, upload)


def test_a_vqav2_question_becomes_the_text_of_llavas_question_file():
    sample = Sample("1", "What is on the {question} table? ")
    assert build_request(TASK, sample).text == "What is on the {question} table? " + SUFFIX


def row(number, **changes):
    """A row in the schema of lmms-lab/VQAv2."""
    words = ("Red", "red", "2", "two", "t-shirt")
    answers = [words[(number + place // 3) % 5] for place in range(10)]
    answers = answers if number % 3 else [answers[0]] * 10
    return {
        "question_id": 100 * number + 1,
        "question": f"What is {number}?",
        "question_type": ("what is", "is the", "how many")[number % 3],
        "answer_type": ("yes/no", "number", "other")[number % 3],
        "multiple_choice_answer": answers[0],
        "answers": [
            {"answer": answer, "answer_confidence": "yes", "answer_id": place}
            for place, answer in enumerate(answers, 1)
        ],
        "image_id": 42 + number // 2,
    } | changes


ROWS = [row(number) for number in range(14)]
ANSWERS = {str(r["question_id"]): Prediction(str(r["question_id"]), "Two") for r in ROWS}
ANSWERS["1"] = Prediction("1", "Red")


def write_official(folder, rows):
    """The validation split as visualqa.org has it, annotations in another order."""
    folder.mkdir(parents=True)
    asked = [{key: r[key] for key in ("image_id", "question", "question_id")} for r in rows]
    noted = [{key: r[key] for key in r if key != "question"} for r in reversed(rows)]
    for name, key, content in (
        ("v2_OpenEnded_mscoco_val2014_questions.json", "questions", asked),
        ("v2_mscoco_val2014_annotations.json", "annotations", noted),
    ):
        (folder / name).write_text(json.dumps({"info": {}, key: content}))
    return folder


def test_the_hubs_rows_and_the_official_files_give_the_same_metrics(tmp_path, write_jsonl):
    hub = read_samples(TASK, str(write_jsonl("rows.jsonl", ROWS)))
    write_official(tmp_path / "playground/data/eval/vqav2", ROWS)
    official = read_samples(TASK, str(tmp_path))
    assert official.digest == hub.digest
    _, first = score_predictions(TASK, hub, ANSWERS)
    _, second = score_predictions(TASK, official, ANSWERS)
    assert (first.metrics, first.groups) == (second.metrics, second.groups)


def test_the_groups_are_question_types_and_answer_types(write_jsonl):
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", ROWS)))
    _, result = score_predictions(TASK, data, ANSWERS)
    assert list(result.groups) == ["how many", "is the", "what is", "number", "other", "yes/no"]
    assert {n: g["accuracy"].n for n, g in result.groups.items()}["what is"] == 5
    assert set(result.groups["what is"]) == set(result.metrics) == set(VQAV2.metrics)


def test_the_metrics_are_the_means_of_the_questions():
    samples = [Sample(str(i), "?", references=tuple(ten("red"))) for i in range(4)]
    texts = ["red", "Red", "RED", "blue"]
    scores = [
        score_sample(VQAV2, s, Prediction(s.id, t)) for s, t in zip(samples, texts, strict=True)
    ]
    metrics = VQAV2.summarize(scores).metrics
    assert (metrics["accuracy"].value, metrics["upload_accuracy"].value) == (25, 75)


@given(st.permutations(ROWS))
def test_the_order_of_the_rows_moves_nothing(rows):
    def summary(ordered):
        samples = [
            Sample(
                str(r["question_id"]),
                "?",
                references=tuple(a["answer"] for a in r["answers"]),
                groups={"question_type": r["question_type"], "answer_type": r["answer_type"]},
                cluster=str(r["image_id"]),
            )
            for r in ordered
        ]
        return VQAV2.summarize([score_sample(VQAV2, s, ANSWERS[s.id]) for s in samples])

    moved, still = summary(rows), summary(ROWS)
    assert moved.metrics["accuracy"].value == still.metrics["accuracy"].value
    assert list(moved.groups) == list(still.groups)


def test_test_dev_is_read_without_answers_and_waits_for_the_server(write_jsonl, tmp_path):
    write_jsonl(
        "vqav2/llava_vqav2_mscoco_test-dev2015.jsonl",
        [
            {
                "question_id": 262144000,
                "image": "COCO_test2015_000000262144.jpg",
                "text": "Is it?" + SUFFIX,
                "category": "default",
            }
        ],
    )
    data = read_samples(TASK, str(tmp_path))
    assert data.samples[0].images[0].name.endswith("test2015/COCO_test2015_000000262144.jpg")
    assert build_request(TASK, data.samples[0]).text == "Is it?" + SUFFIX
    _, result = score_predictions(TASK, data, {"262144000": Prediction("262144000", "yes")})
    assert (result.ungraded, result.headline.value) == (1, None)


def test_an_image_of_the_validation_split_is_named_by_its_number(tmp_path):
    data = read_samples(TASK, str(write_official(tmp_path / "vqav2", ROWS)))
    assert data.samples[0].images[0].name.endswith("val2014/COCO_val2014_000000000042.jpg")


@pytest.mark.parametrize("withheld", [None, []])
def test_a_hub_row_without_answers_waits_for_the_server(write_jsonl, withheld):
    rows = [row(1, answers=withheld, question_type=None, answer_type=None)]
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", rows)))
    assert VQAV2.score(data.samples[0], "red") is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answers": "red"}, "answers is 'red', must be list"),
        ({"answers": [7]}, "answers holds 7, must be a text or {'answer'"),
        ({"answers": [{"answer": None}]}, "answers holds {'answer': None}"),
        ({"answers": [{"text": "red"}]}, "answers holds {'text': 'red'}"),
        ({"question_id": None}, "question_id is None"),
        ({"question_type": "other"}, "question_type is 'other', which is the name of an answer"),
    ],
)
def test_a_row_that_is_not_vqav2_is_refused(write_jsonl, changes, message):
    with pytest.raises(DataError, match=message):
        read_samples(TASK, str(write_jsonl("rows.jsonl", [row(1, **changes)])))


def test_a_row_without_the_answers_column_is_refused(write_jsonl):
    rows = [{key: value for key, value in row(1).items() if key != "answers"}]
    with pytest.raises(DataError, match="no 'answers' here; there is question_id, "):
        read_samples(TASK, str(write_jsonl("rows.jsonl", rows)))


def test_annotations_of_another_version_are_refused(tmp_path):
    folder = write_official(tmp_path / "vqav2", ROWS)
    path = folder / "v2_mscoco_val2014_annotations.json"
    noted = json.loads(path.read_text())["annotations"]
    path.write_text(json.dumps({"annotations": noted[1:]}))
    with pytest.raises(DataError, match="13 annotated questions for 14 in v2_OpenEnded"):
        read_samples(TASK, str(tmp_path))
    noted[0]["question_id"] = 7
    path.write_text(json.dumps({"annotations": noted}))
    with pytest.raises(DataError, match="question 1301 has no record in v2_mscoco"):
        read_samples(TASK, str(tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "questions.json:1: not valid JSON"),
        ("[]", "must be an object with a list 'questions'"),
        ('{"annotations": []}', "must be an object with a list 'questions'"),
        ('{"questions": [3]}', "questions.json:0: 3 must be an object"),
    ],
)
def test_a_broken_question_file_is_refused(tmp_path, text, message):
    folder = write_official(tmp_path / "vqav2", ROWS)
    (folder / "v2_OpenEnded_mscoco_val2014_questions.json").write_text(text)
    with pytest.raises(DataError, match=message):
        read_samples(TASK, str(tmp_path))
