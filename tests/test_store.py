import pytest

from llava_eval.errors import RunError
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
