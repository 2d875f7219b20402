"""ScienceQA: prompt, rule, figures, and both of its sources."""

import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llava_eval.answers.letters import scienceqa_letter
from llava_eval.errors import DataError
from llava_eval.predictions import load_predictions
from llava_eval.prompts import build_request
from llava_eval.records import Prediction, Sample
from llava_eval.samples import read_samples
from llava_eval.scorers.base import score_sample
from llava_eval.scorers.choice import SCIENCEQA
from llava_eval.scoring import score_predictions
from llava_eval.task import load_task
from tests.conftest import golden

TASK = load_task("scienceqa")
LETTER = "Answer with the option's letter from the given choices directly."


def row(**changes):
    """A row in the schema of lmms-lab/ScienceQA."""
    return {
        "image": None,
        "question": "Which animal barks?",
        "choices": ["cat", "dog", "cow"],
        "answer": 1,
        "hint": "",
        "task": "closed choice",
        "grade": "grade4",
        "subject": "natural science",
    } | changes


def sample(choices=3, answer="B", **groups):
    groups = {"modality": "text", "subject": "", "grade": "", "grades": ""} | groups
    return Sample("1", "?", choices=("x",) * choices, references=(answer,), groups=groups)


@pytest.mark.parametrize("vector", golden("scienceqa"), ids=lambda v: repr(v["text"]))
def test_every_golden_answer_is_read_as_llavas_script_reads_it(vector):
    reading = SCIENCEQA.score(sample(), vector["text"])
    assert (reading.parsed, reading.value) == (vector["parsed"], float(vector["correct"]))


# By hand from the rule: exactly A to E; or A to E, a full stop and a space first; or exactly one
# "The answer is X" with a character behind it. "-" stands for nothing read.
ADVERSARIAL = [
    ("C", "C"),
    ("E", "E"),
    ("F", "-"),
    ("Z", "-"),
    ("AB", "-"),
    ("ABCDE", "-"),
    ("b", "-"),
    (" B", "-"),
    ("B\n", "-"),
    ("\tB", "-"),
    ("B.", "-"),
    ("B. ", "B"),
    ("B.  dog", "B"),
    ("B. dog. The answer is A.", "B"),
    ("B.\ndog", "-"),
    ("B.\tdog", "-"),
    ("B.\u00a0dog", "-"),
    ("B) dog", "-"),
    ("(B) dog", "-"),
    ("B: dog", "-"),
    ("B, dog", "-"),
    ("B dog", "-"),
    ("B。狗", "-"),
    ("Ｂ", "-"),
    ("Ｂ. dog", "-"),
    ("В. dog", "-"),
    ("F. fish", "-"),
    ("b. dog", "-"),
    (" B. dog", "-"),
    ("1. B. dog", "-"),
    ("dog", "-"),
    ("The dog barks.", "-"),
    ("A dog barks.", "-"),
    ("two", "-"),
    ("2", "-"),
    ("B or C", "-"),
    ("B and C. ", "-"),
    ("I think the correct option is B.", "-"),
    ("The answer is A.", "A"),
    ("The answer is Z.", "Z"),
    ("The answer is B!", "B"),
    ("The answer is B dog", "B"),
    ("The answer is Because", "B"),
    ("The answer is A dog.", "A"),
    ("The answer is a dog.", "-"),
    ("The answer is  B.", "-"),
    ("The answer is: B.", "-"),
    ("The answer is \nB.", "-"),
    ("The answer is B\n", "-"),
    ("The answer is B\nThe answer is C.", "C"),
    ("The answer is B. So The answer is B.", "-"),
    ("First, The answer is C? Yes.", "C"),
    ("THE ANSWER IS B.", "-"),
    ("the answer is B. The answer is C.", "C"),
    ("The answer is **B**.", "-"),
    ("答案是B。", "-"),
    ("The answer is B。", "B"),
    ("None", "-"),
    ("NA", "-"),
    ("nan", "-"),
    ("N/A", "-"),
    ("<image>", "-"),
    ("🐶", "-"),
    ("B" * 5000, "-"),
]


@pytest.mark.parametrize(("text", "letter"), ADVERSARIAL, ids=lambda v: ascii(v)[:40])
def test_invented_answers_are_read_by_the_written_rule(text, letter):
    assert scienceqa_letter(text) == (None if letter == "-" else letter)


@pytest.mark.parametrize("choices", [2, 3, 4, 5])
@pytest.mark.parametrize("letter", "ABCDE")
def test_a_letter_beyond_the_options_is_wrong_but_not_unparsed(choices, letter):
    score = score_sample(SCIENCEQA, sample(choices, "A"), Prediction("1", letter))
    assert (score.value, score.status) == (float(letter == "A"), "scored")


@given(st.text(), st.integers(2, 5))
def test_any_text_gives_a_value(text, choices):
    reading = SCIENCEQA.score(sample(choices, "A"), text)
    assert reading.value in (0.0, 1.0)
    assert reading.parsed is None or len(reading.parsed) == 1


def test_a_sample_without_an_answer_is_left_to_a_server():
    assert SCIENCEQA.score(Sample("1", "?", choices=("x", "y")), "A") is None


def some_scores():
    """Ten questions: 1 to 4 have images; right are 1, 2, 3, 5 and 6."""
    for number in range(1, 11):
        modality = "image" if number <= 4 else "text"
        subject = "natural science" if number % 2 else "social science"
        grade, grades = ("grade2", "grades 1-6") if number < 6 else ("grade9", "grades 7-12")
        known = sample(modality=modality, subject=subject, grade=grade, grades=grades)
        text = "B" if number in (1, 2, 3, 5, 6) else "A"
        yield score_sample(SCIENCEQA, known, Prediction("1", text))


def test_the_headline_is_over_questions_with_an_image():
    figures = SCIENCEQA.summarize(list(some_scores())).metrics
    assert (figures["image_accuracy"].value, figures["image_accuracy"].n) == (75.0, 4)
    assert (figures["accuracy"].value, figures["accuracy"].n) == (50.0, 10)


def test_groups_are_subjects_grades_and_spans_of_grades():
    groups = SCIENCEQA.summarize(list(some_scores())).groups
    assert {name: group["accuracy"].value for name, group in groups.items()} == {
        "natural science": 60.0,
        "social science": 40.0,
        "grades 1-6": 80.0,
        "grades 7-12": 20.0,
        "grade2": 80.0,
        "grade9": 20.0,
    }
    assert groups["grade9"]["image_accuracy"].value is None


def test_the_order_of_the_rows_moves_nothing():
    scores = list(some_scores())
    shuffled = random.Random(1).sample(scores, len(scores))
    assert SCIENCEQA.summarize(scores) == SCIENCEQA.summarize(shuffled)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, f"Which animal barks?\nA. cat\nB. dog\nC. cow\n{LETTER}"),
        (
            {"hint": "Look at the sounds.\nA bark is loud."},
            "Context: Look at the sounds.\nA bark is loud.\nWhich animal barks?\n"
            f"A. cat\nB. dog\nC. cow\n{LETTER}",
        ),
        ({"hint": "  "}, f"Which animal barks?\nA. cat\nB. dog\nC. cow\n{LETTER}"),
        ({"hint": None}, f"Which animal barks?\nA. cat\nB. dog\nC. cow\n{LETTER}"),
        (
            {"question": " Which  animal\nbarks? ", "choices": [" cat", "big  dog", "cow "]},
            f"Which animal\nbarks? \nA. cat\nB. big dog\nC. cow\n{LETTER}",
        ),
        (
            {"question": "a    b", "choices": ["c   d", "e"]},
            f"a  b\nA. c  d\nB. e\n{LETTER}",
        ),
        (
            {"hint": " Two  cats ", "question": " Which?"},
            f"Context: Two cats\n Which?\nA. cat\nB. dog\nC. cow\n{LETTER}",
        ),
        (
            {"question": "<image>\nWhich {hint}?", "choices": ["A. x", "{question}"]},
            f"Which {{hint}}?\nA. A. x\nB. {{question}}\n{LETTER}",
        ),
        (
            {"choices": ["Love,\nZoe", "love,\nZoe"]},
            f"Which animal barks?\nA. Love,\nZoe\nB. love,\nZoe\n{LETTER}",
        ),
    ],
)
def test_a_row_becomes_the_text_of_llavas_question_file(write_jsonl, changes, text):
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", [row(**changes)])))
    assert build_request(TASK, data.samples[0]).text == text


def test_a_row_without_an_image_is_a_question_without_one(write_jsonl, tmp_path):
    (tmp_path / "dog.png").write_bytes(b"png")
    rows = [row(), row(image="dog.png")]
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", rows)))
    assert [len(s.images) for s in data.samples] == [0, 1]
    assert [s.groups["modality"] for s in data.samples] == ["text", "image"]
    assert data.samples[1].images[0].read() == b"png"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answer": 3}, "rows.jsonl:1: answer is 3, must be 0 to 2"),
        ({"answer": -1}, "rows.jsonl:1: answer is -1, must be 0 to 2"),
        ({"answer": "B"}, "answer is 'B', must be the number of a choice"),
        ({"choices": "cat"}, "choices is 'cat', must be list"),
        ({"choices": ["cat", 2]}, r"choices \['cat', 2\] must be texts"),
        ({"hint": 7}, "hint is 7, must be str or NoneType"),
        ({"question": None}, "question is None, must be str"),
    ],
)
def test_a_row_that_cannot_be_scored_is_refused(write_jsonl, changes, message):
    with pytest.raises(DataError, match=message):
        read_samples(TASK, str(write_jsonl("rows.jsonl", [row(**changes)])))


def twelve_rows():
    for number in range(12):
        yield row(
            question=f"Question {number}?",
            choices=["cat", "dog", "cow", "hen", "pig"][: 2 + number % 4],
            answer=number % 2,
            hint=f"Hint {number}.\nMore." if number % 3 else "",
            image=f"{number + 100}/image.png" if number % 2 else None,
            subject=("natural science", "social science", "language science")[number % 3],
            grade=f"grade{number + 1}",
        )


def conversation(number, content):
    lines = [f"Context: {content['hint']}"] * bool(content["hint"]) + [content["question"]]
    letters = "ABCDE"
    lines += [
        f"{letter}. {text}" for letter, text in zip(letters, content["choices"], strict=False)
    ]
    text = "\n".join(lines)
    item = {
        "id": str(number + 100),
        "conversations": [
            {"from": "human", "value": f"<image>\n{text}" if content["image"] else text},
            {"from": "gpt", "value": letters[content["answer"]]},
        ],
    }
    return item | ({"image": content["image"]} if content["image"] else {})


@pytest.fixture
def official(tmp_path):
    """The same rows as LLaVA's folder has them."""
    folder = tmp_path / "playground/data/eval/scienceqa"
    folder.mkdir(parents=True)
    items = [conversation(number, content) for number, content in enumerate(twelve_rows())]
    ids = [item["id"] for item in items]
    (folder / "llava_test_CQM-A.json").write_text(json.dumps(items))
    (folder / "pid_splits.json").write_text(json.dumps({"test": ids, "val": ["1"]}))
    (folder / "problems.json").write_text(
        json.dumps({i: dict(content) for i, content in zip(ids, twelve_rows(), strict=True)})
    )
    return folder


@pytest.fixture
def hub(tmp_path):
    """The same rows as a parquet file of the Hub has them."""
    rows = [
        r | {"image": {"bytes": b"png", "path": None} if r["image"] else None}
        for r in twelve_rows()
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "test.parquet")
    return tmp_path / "test.parquet"


ANSWERS = ["A", "B", "A. cat", "The answer is B.", "a", "E", "A", "B. dog", "B", "A", "A", ""]


def figures(data, ids):
    predictions = {i: Prediction(i, text) for i, text in zip(ids, ANSWERS, strict=False)}
    result = score_predictions(TASK, data, predictions)[1]
    return result.metrics, result.groups, result.unparsed, result.missing


@pytest.mark.parametrize("answered", [12, 9])
def test_both_sources_give_the_same_figures_and_texts(official, hub, answered):
    one, other = read_samples(TASK, str(hub)), read_samples(TASK, str(official))
    assert [s.id for s in one.samples] == [str(n) for n in range(12)]
    assert [s.id for s in other.samples] == [str(n + 100) for n in range(12)]
    assert [build_request(TASK, s).text for s in one.samples] == [
        build_request(TASK, s).text for s in other.samples
    ]
    assert figures(one, [s.id for s in one.samples][:answered]) == figures(
        other, [s.id for s in other.samples][:answered]
    )


def test_without_the_problems_there_are_no_groups(official):
    (official / "problems.json").unlink()
    data = read_samples(TASK, str(official.parents[3]))
    assert not figures(data, [s.id for s in data.samples])[1]


def test_letters_inside_a_hint_are_no_options(official):
    path = official / "llava_test_CQM-A.json"
    path.write_text(path.read_text().replace("Hint 1.", "Hint 1.\\nA. plan\\nB. try", 1))
    sample = read_samples(TASK, str(official)).samples[1]
    assert sample.choices == ("cat", "dog", "cow")
    assert sample.question == "Context: Hint 1.\nA. plan\nB. try\nMore.\nQuestion 1?"


def test_llavas_answers_are_found_by_the_problems_id(official, write_jsonl):
    data = read_samples(TASK, str(official))
    answers = [{"question_id": s.id, "prompt": "?", "text": "A"} for s in data.samples]
    assert len(load_predictions(write_jsonl("answers.jsonl", answers), TASK, data)) == 12


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("pid_splits.json", '"100", ', '"100", "7", ', "1 of 13 test problems, '7' first"),
        ("pid_splits.json", "{", "", "not valid JSON"),
        ("problems.json", "{", "[{", "problems.json:1: not valid JSON"),
        ("llava_test_CQM-A.json", '"value": "A"}', '"value": "F"}', "the answer is 'F', must be"),
        ("llava_test_CQM-A.json", '"value": "A"}', '"value": ""}', "the answer is '', must be"),
        ("llava_test_CQM-A.json", '"gpt", "value"', '"gpt", "text"', "a question and its letter"),
        ("llava_test_CQM-A.json", "\\nA. ", " ", "must be the letter of one of the 0 options"),
    ],
)
def test_a_broken_official_folder_is_one_line_that_names_the_file(
    official, file, old, new, message
):
    path = official / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        read_samples(TASK, str(official))
