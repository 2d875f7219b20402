import json

import pytest

from llava_eval.errors import DataError, PredictionsError
from llava_eval.predictions import load_grades, load_predictions
from llava_eval.records import DataSet, Sample
from llava_eval.task import load_task

POPE = load_task("pope")
DATA = DataSet("here", "v", True, tuple(Sample(str(i), f"Is there {i}?") for i in range(3)), "d")


def load(path, data=DATA):
    return load_predictions(path, POPE, data)


@pytest.mark.parametrize(
    "line",
    [
        {"id": "1", "text": "Yes", "finish": "stop", "prompt_tokens": 9, "new_tokens": 2},
        {"id": "1", "prediction": "Yes"},
        {"id": 1, "prediction": "Yes"},
        {"question_id": 1, "prompt": "?", "text": "Yes", "answer_id": "x", "metadata": {}},
    ],
)
def test_three_forms_of_predictions_are_read(write_jsonl, line):
    assert load(write_jsonl("p.jsonl", [line]))["1"].text == "Yes"


@pytest.mark.parametrize("text", ["", "None", "NA", "nan", "null", " ", "\t"])
def test_no_answer_is_taken_for_a_missing_one(write_jsonl, text):
    line = {"id": "1", "prediction": text}
    assert load(write_jsonl("p.jsonl", [line]))["1"].text == text


@pytest.mark.parametrize(
    ("lines", "error", "message"),
    [
        ([{"id": "1"}], PredictionsError, r"p\.jsonl:1: has id; must have id and text"),
        ([{}], PredictionsError, "has no fields"),
        ([{"id": "1", "prediction": None}], DataError, "prediction is None, must be str"),
        ([{"id": 1.5, "prediction": "a"}], DataError, "id is 1.5, must be str or int"),
        ([{"id": "1", "prediction": "a"}] * 2, PredictionsError, r":2: id '1' is answered a"),
    ],
)
def test_a_line_that_is_no_prediction_is_named(write_jsonl, lines, error, message):
    with pytest.raises(error, match=message):
        load(write_jsonl("p.jsonl", lines))


def test_a_cut_off_predictions_file_is_an_error_when_it_is_scored(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps({"id": "1", "prediction": "Yes"}) + '\n{"id": "2", "pred')
    with pytest.raises(DataError, match=r"p\.jsonl:2: not valid JSON .* is the file complete"):
        load(path)


@pytest.mark.parametrize(
    "line",
    [
        {"id": "1", "text": "", "finish": "error", "error": "no image"},
        {"id": "1", "text": "", "error": "no image"},
        {"id": "1", "prediction": "", "error": "no image"},
    ],
)
def test_an_error_in_any_form_is_a_failure_and_no_answer(write_jsonl, line):
    assert load(write_jsonl("p.jsonl", [line]))["1"].failed


def test_another_way_to_finish_is_refused(write_jsonl):
    path = write_jsonl("p.jsonl", [{"id": "1", "text": "", "finish": "Error"}])
    with pytest.raises(PredictionsError, match="finish is 'Error', must be stop, length or error"):
        load(path)


def prompt(question):
    return f"{question}\nAnswer the question using a single word or phrase."


def test_llavas_answers_are_joined_by_prompt_where_their_ids_are_not_unique(write_jsonl):
    samples = (
        Sample("0", "Is there a dog?", llava_id="a.jpg"),
        Sample("1", "Is there a cat?", llava_id="a.jpg"),
    )
    lines = [
        {"question_id": "a.jpg", "prompt": prompt("Is there a cat?"), "text": "Yes"},
        {"question_id": "a.jpg", "prompt": prompt("Is there a dog?"), "text": "No"},
    ]
    found = load(write_jsonl("p.jsonl", lines), DataSet("here", "v", True, samples, "d"))
    assert {key: p.text for key, p in found.items()} == {"0": "No", "1": "Yes"}


def test_an_answer_that_belongs_to_no_row_names_the_data(write_jsonl):
    path = write_jsonl("p.jsonl", [{"question_id": 9, "prompt": "?", "text": "Yes"}])
    with pytest.raises(PredictionsError, match=r"'9' belongs to none of the 3 rows of here"):
        load(path)


def test_grades_are_read_by_id(write_jsonl):
    path = write_jsonl("g.jsonl", [{"id": "1", "replies": ["8 9\nbecause", "7 9"]}])
    assert load_grades(path) == {"1": ("8 9\nbecause", "7 9")}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([{"id": "1", "replies": [8]}], "must be a list of texts"),
        ([{"id": "1", "replies": "8 9"}], "must be list"),
        ([{"id": "1", "replies": []}] * 2, "graded a second time"),
        ([{"id": "1"}], "no 'replies' here"),
    ],
)
def test_a_line_that_is_no_grade_is_named(write_jsonl, lines, message):
    with pytest.raises((DataError, PredictionsError), match=message):
        load_grades(write_jsonl("g.jsonl", lines))
