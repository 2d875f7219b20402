import json

import pytest

from llava_eval.errors import PredictionsError
from llava_eval.records import DataSet, Prediction, Sample
from llava_eval.samples import read_samples
from llava_eval.submissions import SUBMISSIONS
from llava_eval.task import load_task

VQAV2, VIZWIZ = SUBMISSIONS["vqav2"], SUBMISSIONS["vizwiz"]


def question(number):
    image = f"COCO_test2015_{number:012d}.jpg"
    return {"question_id": number, "image": image, "text": "What?", "category": "default"}


@pytest.fixture
def dev_questions(write_jsonl, tmp_path):
    """Two questions of test-dev among four of test."""
    write_jsonl("vqav2/llava_vqav2_mscoco_test-dev2015.jsonl", [question(1), question(3)])
    write_jsonl("vqav2/llava_vqav2_mscoco_test2015.jsonl", [question(n) for n in (4, 3, 2, 1)])
    return read_samples(load_task("vqav2"), str(tmp_path))


def test_vqav2_lists_every_test_question_in_llavas_order(dev_questions, tmp_path):
    answers = {
        "1": Prediction("1", "The Cat,dog."),
        "3": Prediction("3", "half an ans", "error", "lost"),
    }
    (path,) = VQAV2.write(dev_questions, answers, tmp_path)
    assert json.loads(path.read_text()) == [
        {"question_id": 4, "answer": ""},
        {"question_id": 3, "answer": ""},
        {"question_id": 2, "answer": ""},
        {"question_id": 1, "answer": "catdog"},
    ]


def test_vqav2_without_the_list_of_test_questions_is_refused(dev_questions, tmp_path):
    (tmp_path / "vqav2/llava_vqav2_mscoco_test2015.jsonl").unlink()
    with pytest.raises(PredictionsError, match="all 447,793 questions of test2015"):
        VQAV2.write(dev_questions, {}, tmp_path)


def test_vqav2_answers_to_another_split_are_refused(dev_questions, tmp_path):
    val = DataSet(dev_questions.source, "val2014", True, (Sample("99", "?"),), "digest")
    with pytest.raises(PredictionsError, match="question 99 is not in llava_vqav2_mscoco_test2015"):
        VQAV2.write(val, {}, tmp_path)


IMAGES = tuple(Sample(f"VizWiz_test_{number:08d}", "?") for number in range(3))
TEST = DataSet("here", "test", True, IMAGES, "digest")


def test_vizwiz_has_one_processed_answer_an_image(tmp_path):
    texts = ["Unanswerable", "None", "tab\there\n“quoted” é"]
    answers = {s.id: Prediction(s.id, text) for s, text in zip(IMAGES, texts, strict=True)}
    (path,) = VIZWIZ.write(TEST, answers, tmp_path)
    assert json.loads(path.read_text()) == [
        {"image": "VizWiz_test_00000000.jpg", "answer": "unanswerable"},
        {"image": "VizWiz_test_00000001.jpg", "answer": "0"},
        {"image": "VizWiz_test_00000002.jpg", "answer": "tab here “quoted” é"},
    ]


@pytest.mark.parametrize("last", [{}, {IMAGES[2].id: Prediction("", "", "error", "no image")}])
def test_an_incomplete_vizwiz_upload_is_refused(tmp_path, last):
    answers = {sample.id: Prediction(sample.id, "red") for sample in IMAGES[:2]} | last
    with pytest.raises(PredictionsError, match="1 of 3 images, 'VizWiz_test_00000002' first"):
        VIZWIZ.write(TEST, answers, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_closed_server_is_said_to_be_closed():
    assert "2185, which has closed" in VIZWIZ.goes_to
