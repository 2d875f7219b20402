"""SEED-Bench: prompt, rule, figures, both sources, the id that stands twice, submission."""

import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llava_eval.answers.letters import seed_letter
from llava_eval.choice_rows import SEED_DIMENSIONS
from llava_eval.errors import DataError, PredictionsError
from llava_eval.predictions import load_predictions
from llava_eval.prompts import build_request
from llava_eval.records import Prediction, Sample
from llava_eval.samples import read_samples
from llava_eval.scorers.base import score_sample
from llava_eval.scorers.choice import SEEDBENCH
from llava_eval.scoring import score_predictions
from llava_eval.submissions import SUBMISSIONS
from llava_eval.task import load_task
from tests.conftest import golden

TASK = load_task("seedbench")
LETTER = "Answer with the option's letter from the given choices directly."


def row(number=1, **changes):
    """A row in the schema of lmms-lab/SEED-Bench; odd numbers are videos."""
    kind = 10 + number % 3 if number % 2 else 1 + number % 9
    return {
        "answer": "ABCD"[number % 4],
        "choice_a": "One",
        "choice_b": "Two",
        "choice_c": "Three",
        "choice_d": "Four",
        "data_id": f"scene_{number // 3}",
        "data_type": "video" if number % 2 else "image",
        "question": f"How many towels, {number}?",
        "question_id": f"v{number}" if number % 2 else str(100_000 - number),
        "question_type_id": kind,
    } | changes


def sample(answer="A", **groups):
    groups = {"data_type": "image", "dimension": "Scene Understanding"} | groups
    return Sample("1", "?", choices=tuple("wxyz"), references=(answer,), groups=groups)


@pytest.mark.parametrize("vector", golden("seedbench"), ids=lambda v: repr(v["text"]))
def test_every_golden_answer_is_scored_as_llavas_script_scores_it(vector):
    assert SEEDBENCH.score(sample(), vector["text"]).value == float(vector["correct"])


# By hand from the rule: without the white space around it the answer is A, B, C or D.
READ = [
    "A",
    "B",
    "C",
    "D",
    " A",
    "A ",
    "A\n",
    "\tB",
    "\r\nC\r\n",
    "D\u00a0",
    "\u3000A",
    " \n D \n ",
]
NOT_READ = [
    *("a", "b", "E", "Z", "AB", "A B", "A, B", "A or B", "BB", "A.", "A)", "(A)", "[A]", "A:"),
    *("**A**", "`A`", '"A"', "'A'", "A. One", "A. cat", "A One", "A\nOne", "A\tOne", ".A", "- A"),
    *("One", "one", "Two", "1", "two", "the first", "Option A", "Answer: A", "The answer is A"),
    *("The answer is A.", "I think it is A", "A is right because there is one towel."),
    *("A。", "（A）", "答案：A", "选A", "Ａ", "А", "Ⓐ", "🅰", "A\u200b", "\ufeffA", "A\x00"),
    *("", " ", "\n", "None", "NA", "nan", "N/A", "null", "A" * 5000, "🙂"),
]


@pytest.mark.parametrize("text", READ, ids=ascii)
def test_one_letter_is_read_whatever_white_space_is_around_it(text):
    assert seed_letter(text) == text.strip()


@pytest.mark.parametrize("text", NOT_READ, ids=lambda v: ascii(v)[:40])
def test_everything_else_is_wrong_and_unparsed(text):
    score = score_sample(SEEDBENCH, sample(), Prediction("1", text))
    assert (score.value, score.parsed, score.status) == (0.0, None, "unparsed")


@pytest.mark.parametrize("letter", "ABCD")
@pytest.mark.parametrize("answer", "ABCD")
def test_a_letter_is_right_if_it_is_the_answer(letter, answer):
    score = score_sample(SEEDBENCH, sample(answer), Prediction("1", letter))
    assert (score.value, score.status) == (float(letter == answer), "scored")


@given(st.text())
def test_any_text_has_a_value(text):
    assert SEEDBENCH.score(sample(), text).value in (0.0, 1.0)


def some_scores():
    """Three image questions, two right; two video questions, one right."""
    for data_type, dimension, text in (
        ("image", "Scene Understanding", "A"),
        ("image", "Scene Understanding", "B"),
        ("image", "Visual Reasoning", "A"),
        ("video", "Action Prediction", "A"),
        ("video", "Action Prediction", "A."),
    ):
        known = sample(data_type=data_type, dimension=dimension)
        yield score_sample(SEEDBENCH, known, Prediction("1", text))


def test_all_images_and_videos_are_averaged_over_questions():
    figures = SEEDBENCH.summarize(list(some_scores())).metrics
    assert {name: (f.value, f.n) for name, f in figures.items()} == {
        "accuracy": (60.0, 5),
        "image_accuracy": (pytest.approx(200 / 3), 3),
        "video_accuracy": (50.0, 2),
    }


def test_every_dimension_has_its_own_accuracy():
    groups = SEEDBENCH.summarize(list(some_scores())).groups
    assert {name: group["accuracy"].value for name, group in groups.items()} == {
        "Scene Understanding": 50.0,
        "Visual Reasoning": 100.0,
        "Action Prediction": 50.0,
    }


def test_without_videos_their_accuracy_is_undefined():
    images = [s for s in some_scores() if s.sample.groups["data_type"] == "image"]
    assert SEEDBENCH.summarize(images).metrics["video_accuracy"].value is None


def test_the_order_of_the_rows_moves_nothing():
    scores = list(some_scores())
    shuffled = random.Random(3).sample(scores, len(scores))
    assert SEEDBENCH.summarize(scores) == SEEDBENCH.summarize(shuffled)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "How many towels, 1?\nA. One\nB. Two\nC. Three\nD. Four"),
        (
            {"question": " Which {hint}\nis it? "},
            " Which {hint}\nis it? \nA. One\nB. Two\nC. Three\nD. Four",
        ),
        (
            {"choice_b": "None", "choice_d": ""},
            "How many towels, 1?\nA. One\nB. None\nC. Three\nD. ",
        ),
        ({"choice_a": 1, "choice_b": 2.5}, "How many towels, 1?\nA. 1\nB. 2.5\nC. Three\nD. Four"),
    ],
)
def test_a_row_becomes_the_text_of_llavas_question_file(write_jsonl, changes, text):
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", [row(**changes)])))
    assert build_request(TASK, data.samples[0]).text == f"{text}\n{LETTER}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answer": "E"}, "the reference is 'E', must be 'A' or 'B' or 'C' or 'D'"),
        ({"data_type": "audio"}, "data_type is 'audio', must be image or video"),
        ({"data_type": None}, "data_type is '', must be image or video"),
        ({"question_type_id": 13}, "question_type_id is 13, must be 1 to 12"),
        ({"question_type_id": None}, "question_type_id is None, must be str or int"),
        ({"choice_d": None}, "choice_d is None, must be str or int or float"),
        ({"question": 5}, "question is 5, must be str"),
    ],
)
def test_a_row_that_cannot_be_scored_is_refused(write_jsonl, changes, message):
    with pytest.raises(DataError, match=message):
        read_samples(TASK, str(write_jsonl("rows.jsonl", [row(**changes)])))


def test_rows_without_answers_are_left_to_a_server(write_jsonl):
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", [row(answer=None)])))
    assert score_predictions(TASK, data, {"v1": Prediction("v1", "A")})[1].ungraded == 1


def test_the_twelve_dimensions_have_their_numbers(write_jsonl):
    rows = [row(2 * n, question_type_id=int(kind)) for n, kind in enumerate(SEED_DIMENSIONS)]
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", rows)))
    assert [s.groups["dimension"] for s in data.samples] == list(SEED_DIMENSIONS.values())
    assert SEED_DIMENSIONS["9"] == "Text Understanding"


@pytest.mark.parametrize(("n", "version"), [(19242, "July 2023"), (17990, "November 2023")])
def test_versions_are_told_apart_by_their_number_of_rows(write_jsonl, n, version):
    data = read_samples(TASK, str(write_jsonl("r.jsonl", [row(number) for number in range(n)])))
    assert data.version.startswith(version)


ROWS = [row(number) for number in range(12)] + [row(2, question="Twice?", answer="D")]


@pytest.fixture
def official(tmp_path, write_jsonl):
    """The rows as LLaVA's folder has them; one image question stands twice."""
    folder = tmp_path / "playground/data/eval/seed_bench"
    questions = [
        {
            "question_id": int(r["question_id"])
            if r["question_id"].isdigit()
            else r["question_id"],
            "image": "?",
            "text": "?",
        }
        for r in ROWS
    ]
    write_jsonl("playground/data/eval/seed_bench/llava-seed-bench.jsonl", questions)
    content = {"questions": ROWS, "question_type": {"Scene Understanding": 1}}
    (folder / "SEED-Bench.json").write_text(json.dumps(content))
    for r in ROWS:
        image = f"SEED-Bench-image/{r['data_id']}"
        if r["data_type"] == "video":
            image = f"SEED-Bench-video-image/{r['question_type_id']}_{r['question_id']}.png"
        (folder / image).parent.mkdir(exist_ok=True)
        (folder / image).write_bytes(image_of(r))
    return tmp_path


def image_of(content):
    named = "question_id" if content["data_type"] == "video" else "data_id"
    return content[named].encode()


@pytest.fixture
def hub(tmp_path):
    """The rows as a parquet file of the Hub has them: a video is a list of frames."""
    rows = []
    for r in ROWS:
        frame = {"bytes": image_of(r), "path": None}
        other = {"bytes": b"other", "path": None}
        rows.append(r | {"image": [other, frame, other] if r["data_type"] == "video" else [frame]})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "test.parquet")
    return tmp_path / "test.parquet"


def test_both_sources_give_the_same_figures_samples_and_digest(official, hub):
    one, other = read_samples(TASK, str(hub)), read_samples(TASK, str(official))
    texts = ["A", "A", " C", "D.", "a", "B", "C", "D", "A", "", "B", "D", "D"]
    predictions = {s.id: Prediction(s.id, text) for s, text in zip(one.samples, texts, strict=True)}
    mine, theirs = (score_predictions(TASK, data, predictions)[1] for data in (one, other))
    assert (mine.metrics, mine.groups) == (theirs.metrics, theirs.groups)
    assert one.digest == other.digest
    assert [s.images[0].read() for s in one.samples] == [s.images[0].read() for s in other.samples]


def test_an_id_that_stands_twice_is_told_apart_in_the_order_of_the_rows(hub, official):
    for source in (hub, official):
        ids = [s.id for s in read_samples(TASK, str(source)).samples]
        assert [i for i in ids if i.startswith("99998")] == ["99998", "99998#2"]


def llava_answers(rows):
    for r in rows:
        options = "\n".join(f"{c.upper()}. {r[f'choice_{c}']}" for c in "abcd")
        prompt = f"{r['question']}\n{options}\n{LETTER}"
        yield {"question_id": r["question_id"], "prompt": prompt, "text": r["answer"]}


def test_the_prompt_decides_which_of_two_questions_llava_answered(hub, write_jsonl):
    data = read_samples(TASK, str(hub))
    answers = write_jsonl("answers.jsonl", list(llava_answers(ROWS[::-1])))
    found = load_predictions(answers, TASK, data)
    assert (found["99998"].text, found["99998#2"].text) == ("C", "D")
    assert score_predictions(TASK, data, found)[1].metrics["accuracy"].value == 100.0


def test_two_questions_with_one_prompt_are_answered_in_their_order(write_jsonl):
    rows = [row(2), row(2, data_id="another", answer="B")]
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", rows)))
    answers = write_jsonl("answers.jsonl", list(llava_answers(rows)))
    found = load_predictions(answers, TASK, data)
    assert (found["99998"].text, found["99998#2"].text) == ("C", "B")


def test_a_third_answer_to_two_questions_of_one_id_is_refused(hub, write_jsonl):
    data = read_samples(TASK, str(hub))
    answers = write_jsonl("answers.jsonl", list(llava_answers([*ROWS, ROWS[2]])))
    with pytest.raises(PredictionsError, match="id '99998' is answered a second time"):
        load_predictions(answers, TASK, data)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("llava-seed-bench.jsonl", '"v3"', '"v4"', "no line for 1 of 13 questions.*'v3' first"),
        (
            "SEED-Bench.json",
            '"questions"',
            '"question"',
            "must be an object with a list 'questions",
        ),
        ("SEED-Bench.json", "{", "", "SEED-Bench.json:1: not valid JSON"),
        ("SEED-Bench.json", '"data_type"', '"type"', "no 'data_type' here"),
    ],
)
def test_a_broken_official_folder_is_one_line_that_names_the_file(
    official, file, old, new, message
):
    path = official / "playground/data/eval/seed_bench" / file
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        read_samples(TASK, str(official))


def test_the_submission_has_a_line_for_every_question_under_its_own_id(hub, tmp_path):
    data = read_samples(TASK, str(hub))
    predictions = {s.id: Prediction(s.id, "B") for s in data.samples} | {
        "99998#2": Prediction("99998#2", "C\n"),
        "v1": Prediction("v1", "none\tof these"),
    }
    (path,) = SUBMISSIONS["seedbench"].write(data, predictions, tmp_path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 13
    assert lines[1] == {"question_id": "v1", "prediction": "none\tof these"}
    assert lines[2] == {"question_id": "99998", "prediction": "B"}
    assert lines[12] == {"question_id": "99998", "prediction": "C"}


@pytest.mark.parametrize("broken", [{}, {"v1": Prediction("v1", "", "error", "no image")}])
def test_an_incomplete_submission_is_refused(hub, tmp_path, broken):
    data = read_samples(TASK, str(hub))
    predictions = {s.id: Prediction(s.id, "B") for s in data.samples if s.id != "v1"} | broken
    with pytest.raises(PredictionsError, match="'v1' has no answer"):
        SUBMISSIONS["seedbench"].write(data, predictions, tmp_path)
