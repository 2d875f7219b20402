import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llava_eval.errors import DataError, PredictionsError
from llava_eval.predictions import load_predictions
from llava_eval.prompts import build_request
from llava_eval.records import Prediction, Sample
from llava_eval.samples import read_samples
from llava_eval.scorers.base import score_sample
from llava_eval.scorers.vqa import TEXTVQA
from llava_eval.scoring import score_predictions
from llava_eval.task import load_task
from tests.annotators import nine, some, ten

TASK = load_task("textvqa")
SUFFIX = "\nAnswer the question using a single word or phrase."

# references, the model's words, accuracy: both sides have been through the M4C processor.
ADVERSARIAL = [
    (ten("red"), "RED", 1),
    (ten("red"), "Red.", 1),
    (ten("red"), "red!", 1),
    (ten("red"), "red?", 1),
    (ten("red"), "the red", 1),
    (ten("red"), "\tred\n", 1),
    (ten("red"), "red，", 0),
    (ten("red"), "", 0),
    (ten("red"), "red red", 0),
    (ten("red"), "Answer: red", 0),
    (ten("red"), "The sign says red", 0),
    (ten("red"), "red " * 2000, 0),
    (ten("nan"), "NaN", 1),
    (ten("none"), "None", 1),
    (ten("0"), "None", 1),
    (ten("n/a"), "N/A", 1),
    (ten("n/a"), "NA", 0),
    (ten("2"), "two", 1),
    (ten("two"), "2.", 1),
    (ten("10"), "Ten", 1),
    (ten("11"), "eleven", 0),
    (ten("1000"), "1,000", 1),
    (ten("1000"), "1 000", 0),
    (ten("cat dog"), "cat,dog", 0),
    (ten("catdog"), "cat,dog", 1),
    (ten("cat dog"), "cat, dog", 1),
    (ten("tom's"), "Tom's", 1),
    (ten("tom's"), "tom 's", 1),
    (ten("tom's"), "toms", 0),
    (ten("tom's"), "tom’s", 0),
    (ten("it's"), "its", 0),
    (ten("O'Reilly's"), "o'reilly's", 1),
    (ten("Coca Cola"), "coca-cola", 1),
    (ten("coca cola"), "cocacola", 0),
    (ten("7 eleven"), "Seven-Eleven", 1),
    (ten("$5.00"), "$5", 0),
    (ten("5.00"), "5.00", 1),
    (ten("5"), "5.", 1),
    (ten("wwwnikecom"), "www.nike.com", 1),
    (ten("nike com"), "nike.com", 0),
    (ten("10:10"), "10:10", 1),
    (ten("10:10"), "10.10", 0),
    (ten("st op"), "st\top", 1),
    (ten("the"), "a", 1),
    (ten("a"), "", 1),
    (ten("don't walk"), "DONT WALK", 1),
    (ten("unanswerable"), "Unanswerable", 1),
    (ten("50"), "50%", 0),
    (ten("1"), "#1", 0),
    (ten("x 5"), "x=5", 1),
    (ten("b&w"), "B&W", 1),
    (ten("b&w"), "b & w", 0),
    (ten("可口可乐"), "可口可乐", 1),
    (ten("可口可乐"), "可口可乐。", 0),
    (ten("nike"), "Ｎike", 0),
    (ten("nike"), "@nike", 1),
    (ten("nike"), "\\nike", 1),
    (ten("école"), "ÉCOLE", 1),
    (ten("nike brand"), "nike (brand)", 1),
    (nine("nike"), "nike\u200b", 0),
    (some(1, "nike"), "NIKE", 0.3),
    (some(2, "nike"), "NIKE", 0.6),
    (some(3, "nike"), "NIKE", 0.9),
    (some(4, "nike"), "NIKE", 1),
    (["two"] * 2 + ["2"] + ["x"] * 7, "Two.", 0.9),
]


@pytest.mark.parametrize(("references", "text", "accuracy"), ADVERSARIAL)
def test_an_answer_scores_as_the_written_rule_says(references, text, accuracy):
    assert TEXTVQA.score(Sample("1", "?", references=tuple(references)), text).value == accuracy


@pytest.mark.parametrize(
    ("question", "tokens", "text"),
    [
        (
            "what is the brand of this camera?",
            ["DAKOTA", "DIGITAL", "Single-Use"],
            "What is the brand of this camera?\nReference OCR token: DAKOTA, DIGITAL, Single-Use",
        ),
        ("What does NASA say?", ["a"], "What does nasa say?\nReference OCR token: a"),
        ("éa?", [], "Éa?\nReference OCR token: "),
        ("is it [1]?", ["[x]", "{y}", "a, b"], "Is it [1]?\nReference OCR token: [x], {y}, a, b"),
    ],
)
def test_a_row_becomes_the_text_of_llavas_question_file(write_jsonl, question, tokens, text):
    path = write_jsonl("rows.jsonl", [row(1, question=question, ocr_tokens=tokens)])
    sample = read_samples(TASK, str(path)).samples[0]
    assert build_request(TASK, sample).text == text + SUFFIX


def row(number, **changes):
    """A row in the schema of lmms-lab/textvqa; every image has two questions."""
    words = ("Nike", "nike.", "two", "2", "the nike")
    return {
        "image_id": f"{number // 2:016x}",
        "question_id": 34602 + number,
        "question": ("what Brand is it?", "How many NIKE shoes?")[number % 2],
        "answers": [words[(number * place) % 5] for place in range(10)],
        "ocr_tokens": [f"T{place}" for place in range(number % 4)],
        "set_name": "val",
    } | changes


ROWS = [row(number) for number in range(14)]


def llava_question(r):
    tokens = ", ".join(r["ocr_tokens"])
    return {
        "question_id": r["image_id"],
        "image": f"{r['image_id']}.jpg",
        "text": f"{r['question'].capitalize()}\nReference OCR token: {tokens}{SUFFIX}",
        "category": "default",
    }


@pytest.fixture
def official(tmp_path, write_jsonl):
    """LLaVA's question file, and the annotations in another order."""
    folder = tmp_path / "playground/data/eval/textvqa"
    write_jsonl(f"{folder}/llava_textvqa_val_v051_ocr.jsonl", [llava_question(r) for r in ROWS])
    noted = [{key: r[key] for key in r if key != "ocr_tokens"} for r in reversed(ROWS)]
    (folder / "TextVQA_0.5.1_val.json").write_text(json.dumps({"data": noted}))
    return folder


@pytest.fixture
def hub(tmp_path):
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


def test_the_hubs_rows_and_the_official_files_give_the_same_metrics(hub, official):
    answers = {str(r["question_id"]): Prediction(str(r["question_id"]), "2") for r in ROWS}
    first, second = read_samples(TASK, str(hub)), read_samples(TASK, str(official))
    assert first.digest == second.digest
    metrics = [score_predictions(TASK, data, answers)[1].metrics for data in (first, second)]
    assert metrics[0] == metrics[1]
    assert 0 < metrics[0]["accuracy"].value < 100


def llava_answers(rows):
    return [
        {
            "question_id": r["image_id"],
            "prompt": llava_question(r)["text"],
            "text": f"answer {r['question_id']}",
        }
        for r in rows
    ]


def test_llavas_answers_are_joined_by_image_and_prompt(official, write_jsonl):
    data = read_samples(TASK, str(official))
    path = write_jsonl("answers.jsonl", llava_answers(reversed(ROWS)))
    found = load_predictions(path, TASK, data)
    assert {p.text for p in found.values()} == {f"answer {key}" for key in found}
    assert len(found) == len(ROWS)


def test_llavas_answers_find_rows_that_have_other_ocr_tokens(write_jsonl):
    other = [r | {"ocr_tokens": ["other"]} for r in ROWS]
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", other)))
    path = write_jsonl("answers.jsonl", llava_answers(ROWS))
    found = load_predictions(path, TASK, data)
    assert {p.text for p in found.values()} == {f"answer {key}" for key in found}


def test_llavas_answer_to_another_question_is_refused(official, write_jsonl):
    answer = llava_answers(ROWS[:1])[0] | {"prompt": "Who made it?\nReference OCR token: "}
    data = read_samples(TASK, str(official))
    with pytest.raises(PredictionsError, match="belongs to none of the 14 rows"):
        load_predictions(write_jsonl("answers.jsonl", [answer]), TASK, data)


def test_ocr_tokens_come_from_llavas_question_file(official):
    assert [s.hint for s in read_samples(TASK, str(official)).samples][:4] == [
        "",
        "T0",
        "T0, T1",
        "T0, T1, T2",
    ]


@given(st.permutations(range(10)), st.text(max_size=8))
def test_the_order_of_the_rows_moves_nothing(order, text):
    samples = [
        Sample(str(i), "?", references=tuple(some(i, "two")), cluster=str(i // 2))
        for i in range(10)
    ]
    scores = [score_sample(TEXTVQA, s, Prediction(s.id, text or "2")) for s in samples]
    value = TEXTVQA.summarize([scores[i] for i in order]).metrics["accuracy"].value
    assert value == TEXTVQA.summarize(scores).metrics["accuracy"].value
    assert 0 <= value <= 100


@pytest.mark.parametrize("withheld", [None, [], [""] * 10])
def test_a_test_row_waits_for_the_server(write_jsonl, withheld):
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", [row(1, answers=withheld)])))
    assert TEXTVQA.score(data.samples[0], "") is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answers": ["red"] * 9}, "rows.jsonl:1: 9 answers, must be 10"),
        ({"answers": ["red"] * 9 + [None]}, "answers holds None"),
        ({"answers": 7}, "answers is 7, must be list"),
        ({"ocr_tokens": None}, "ocr_tokens is None"),
        ({"image_id": None}, "image_id is None"),
        ({"question": 3}, "question is 3, must be str"),
    ],
)
def test_a_row_that_is_not_textvqa_is_refused(write_jsonl, changes, message):
    with pytest.raises(DataError, match=message):
        read_samples(TASK, str(write_jsonl("rows.jsonl", [row(1, **changes)])))


def annotations(official, change):
    path = official / "TextVQA_0.5.1_val.json"
    document = json.loads(path.read_text())
    change(document["data"])
    path.write_text(json.dumps(document))


def test_annotations_of_another_length_are_refused(official):
    annotations(official, lambda data: data.pop())
    with pytest.raises(DataError, match="13 annotated questions for 14 in llava_textvqa_val"):
        read_samples(TASK, str(official))


def test_annotations_with_another_question_are_refused(official):
    annotations(official, lambda data: data[0].update(question="why?"))
    with pytest.raises(DataError, match=r"no annotation for 'How many nike shoes\?' on image"):
        read_samples(TASK, str(official))


def test_a_question_annotated_twice_is_refused(official):
    annotations(official, lambda data: data[0].update(data[1] | {"question": "WHAT brand is it?"}))
    with pytest.raises(DataError, match="stands here twice"):
        read_samples(TASK, str(official))


def test_a_question_file_without_ocr_tokens_is_refused(official, write_jsonl):
    questions = [llava_question(r) | {"text": "What?" + SUFFIX} for r in ROWS]
    write_jsonl(f"{official}/llava_textvqa_val_v051_ocr.jsonl", questions)
    with pytest.raises(DataError, match="no line 'Reference OCR token:' in text"):
        read_samples(TASK, str(official))
