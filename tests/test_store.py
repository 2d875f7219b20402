import json

import pytest

from llava_eval.errors import DataError, PredictionsError, RunError
from llava_eval.records import Prediction
from llava_eval.store import RunFolder, find_runs, read_predictions

IDENTITY = {"task": "pope", "weights": "abc"}


def test_what_is_appended_is_read_back(tmp_path):
    predictions = [
        Prediction("1", "Yes", "stop", "", 90, 2),
        Prediction("2", "", "error", "no image"),
        Prediction("3", "tabs\t, newlines\n, \u2028 and 一只猫", "length", "", 90, 128),
    ]
    run = RunFolder.open(tmp_path / "run", IDENTITY, {})
    run.append(predictions[:2])
    run.append(predictions[2:])
    assert list(RunFolder.open(tmp_path / "run", IDENTITY, {}).predictions.values()) == predictions


def test_a_torn_last_line_is_cut_off_and_redone(tmp_path):
    run = RunFolder.open(tmp_path, IDENTITY, {})
    run.append([Prediction("1", "Yes"), Prediction("2", "No")])
    path = tmp_path / "predictions.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    again = RunFolder.open(tmp_path, IDENTITY, {})
    assert list(again.predictions) == ["1"]
    again.append([Prediction("2", "No")])
    assert list(read_predictions(path)) == ["1", "2"]


def test_another_run_in_the_same_folder_is_refused_and_the_field_named(tmp_path):
    RunFolder.open(tmp_path, IDENTITY, {})
    with pytest.raises(RunError, match="weights is 'abc' there and 'xyz' now"):
        RunFolder.open(tmp_path, IDENTITY | {"weights": "xyz"}, {})


def test_failed_predictions_can_be_dropped(tmp_path):
    run = RunFolder.open(tmp_path, IDENTITY, {})
    run.append([Prediction("1", "Yes"), Prediction("2", "", "error", "no image")])
    run.drop_failed()
    assert list(RunFolder.open(tmp_path, IDENTITY, {}).predictions) == ["1"]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written: Not a directory; see --out"):
        RunFolder.open(tmp_path / "file" / "run", IDENTITY, {})


def test_run_folders_are_found_at_any_depth(tmp_path):
    for name in ("a/pope", "b"):
        RunFolder.open(tmp_path / name, IDENTITY, {})
    assert find_runs([tmp_path]) == [tmp_path / "a/pope", tmp_path / "b"]


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
    assert read_predictions(write_jsonl("p.jsonl", [line]))["1"].text == "Yes"


@pytest.mark.parametrize("text", ["", "None", "NA", "nan", "null", " ", "\t"])
def test_no_answer_is_taken_for_a_missing_one(write_jsonl, text):
    line = {"id": "1", "prediction": text}
    assert read_predictions(write_jsonl("p.jsonl", [line]))["1"].text == text


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
        read_predictions(write_jsonl("p.jsonl", lines))


def test_a_cut_off_predictions_file_is_an_error_when_it_is_scored(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps({"id": "1", "prediction": "Yes"}) + '\n{"id": "2", "pred')
    with pytest.raises(DataError, match=r"p\.jsonl:2: not valid JSON .* is the file complete"):
        read_predictions(path)
