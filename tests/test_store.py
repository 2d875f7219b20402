import os

import pytest

from llava_eval.errors import RunError
from llava_eval.records import Prediction
from llava_eval.run_folder import RunFolder
from llava_eval.store import find_runs, read_predictions, read_run

IDENTITY = {"task": "pope", "model": "m", "data": "d", "weights": "abc"}
ENVIRONMENT = {"source": "mini"}


def reopened(path):
    with RunFolder.open(path, IDENTITY, ENVIRONMENT) as run:
        return run.predictions


def test_what_is_appended_is_read_back(tmp_path):
    predictions = [
        Prediction("1", "Yes", "stop", "", 90, 2),
        Prediction("2", "", "error", "no image"),
        Prediction("3", "tabs\t, newlines\n, \u2028 and 一只猫", "length", "", 90, 128),
    ]
    with RunFolder.open(tmp_path / "run", IDENTITY, ENVIRONMENT) as run:
        run.append(predictions[:2])
        run.append(predictions[2:])
    assert list(reopened(tmp_path / "run").values()) == predictions


def test_a_torn_last_line_is_cut_off_and_redone(tmp_path):
    with RunFolder.open(tmp_path, IDENTITY, ENVIRONMENT) as run:
        run.append([Prediction("1", "Yes"), Prediction("2", "No")])
    path = tmp_path / "predictions.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    with RunFolder.open(tmp_path, IDENTITY, ENVIRONMENT) as again:
        assert list(again.predictions) == ["1"]
        again.append([Prediction("2", "No")])
    assert list(read_predictions(path)) == ["1", "2"]


def test_another_run_in_the_same_folder_is_refused_and_the_field_named(tmp_path):
    reopened(tmp_path)
    with pytest.raises(RunError, match="weights is 'abc' there and 'xyz' now"):
        RunFolder.open(tmp_path, IDENTITY | {"weights": "xyz"}, ENVIRONMENT)


def test_failed_predictions_can_be_dropped(tmp_path):
    with RunFolder.open(tmp_path, IDENTITY, ENVIRONMENT) as run:
        run.append([Prediction("1", "Yes"), Prediction("2", "", "error", "no image")])
        run.drop_failed()
    assert list(reopened(tmp_path)) == ["1"]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written: Not a directory; see --out"):
        RunFolder.open(tmp_path / "file" / "run", IDENTITY, ENVIRONMENT)


def test_run_folders_are_found_at_any_depth(tmp_path):
    for name in ("a/pope", "b"):
        reopened(tmp_path / name)
    assert find_runs([tmp_path]) == [tmp_path / "a/pope", tmp_path / "b"]


def test_half_a_surrogate_pair_is_kept_as_it_came(tmp_path):
    with RunFolder.open(tmp_path, IDENTITY, ENVIRONMENT) as run:
        run.append([Prediction("1", "\ud83d"), Prediction("2", "一只猫")])
    assert [p.text for p in reopened(tmp_path).values()] == ["\ud83d", "一只猫"]
    assert "一只猫" in (tmp_path / "predictions.jsonl").read_text("utf-8")


def test_the_same_weights_under_another_path_are_the_same_run(tmp_path):
    reopened(tmp_path)
    with RunFolder.open(tmp_path, IDENTITY | {"model": "./m"}, ENVIRONMENT) as run:
        assert run.predictions == {}


def test_a_second_process_is_refused_with_the_name_of_the_first(tmp_path):
    refused = pytest.raises(RunError, match=rf"process {os.getpid()} on .* is writing there")
    with RunFolder.open(tmp_path, IDENTITY, ENVIRONMENT), refused:
        RunFolder.open(tmp_path, IDENTITY, ENVIRONMENT)
    assert reopened(tmp_path) == {}


def test_answers_of_nobody_knows_whom_are_not_adopted(tmp_path):
    (tmp_path / "predictions.jsonl").write_text('{"id": "1", "text": "Yes"}\n')
    with pytest.raises(RunError, match="whose answers they are is not known"):
        RunFolder.open(tmp_path, IDENTITY, ENVIRONMENT)


@pytest.mark.parametrize("content", ["{}", "[]", "{", '{"identity": {}, "environment": {}}'])
def test_a_run_file_that_is_not_ours_is_named(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunError, match=r"run\.json"):
        RunFolder.open(tmp_path, IDENTITY, ENVIRONMENT)


def test_where_a_run_goes_on_is_noted(tmp_path):
    reopened(tmp_path)
    with RunFolder.open(tmp_path, IDENTITY, ENVIRONMENT | {"device": "cuda"}):
        pass
    assert read_run(tmp_path)["resumed"] == [ENVIRONMENT | {"device": "cuda"}]
