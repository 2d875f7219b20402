"""MME. The rule: of the first four characters, in lower case, "yes" is yes, else "no" is no."""

import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llava_eval.answers.yes_no import mme_yes_no
from llava_eval.console import result_table
from llava_eval.errors import DataError, PredictionsError
from llava_eval.predictions import load_predictions
from llava_eval.prompts import build_request
from llava_eval.records import DataSet, Prediction, Sample
from llava_eval.samples import read_samples
from llava_eval.scorers.base import score_sample
from llava_eval.scorers.yes_no import (
    COGNITION,
    MME,
    MME_FIGURES,
    MME_TASKS,
    PERCEPTION,
    score_mme,
)
from llava_eval.scoring import score_predictions
from llava_eval.submissions import SUBMISSIONS
from llava_eval.task import load_task
from tests.conftest import golden

TASK = load_task("mme")
SUFFIX = "\nAnswer the question using a single word or phrase."
# Questions of each task in the release: 2,374 about 1,187 images.
QUESTIONS = {
    "existence": 60,
    "count": 60,
    "position": 60,
    "color": 60,
    "posters": 294,
    "celebrity": 340,
    "scene": 400,
    "landmark": 400,
    "artwork": 400,
    "OCR": 40,
    "commonsense_reasoning": 140,
    "numerical_calculation": 40,
    "text_translation": 40,
    "code_reasoning": 40,
}


@pytest.mark.parametrize("row", golden("mme"), ids=lambda row: repr(row["text"]))
def test_every_golden_answer_is_read_as_mmes_tool_does(row):
    assert mme_yes_no(row["text"]) == row["answer"]


YES = [
    "YES",
    "yES!",
    " yes",
    "\tYes",
    "\nyes",
    '"Yes"',
    "(yes)",
    "Yes。",
    "Yes\tNo",
    "YES\r\n",
    "yes no",
    "Yes and no",
    "Yes, there is no dog in the image.",
    "Yesterday",
    "eyes",
    "nyes",
    "\ufeffyes",
]
NO = [
    "NO",
    "nO",
    "no\n",
    "\nno",
    "  no",
    "'No'",
    "(no)",
    "[No]",
    "**No**",
    "- no",
    "no，",
    "No\tYes",
    "no yes",
    "noyes",
    "No. Yes.",
    "none",
    "not",
    "Not at all",
    "nothing",
    "Now",
    "Noise",
    "north",
    "snow",
    "mono",
    "Juno",
    "No\u200b",
    "\u200bno",
    "👍 no",
]
OTHER = [
    "\n",
    " ",
    ".",
    "  yes",
    "   no",
    "- yes",
    "**yes",
    "A. Yes",
    "A: no",
    "Answer: yes",
    "The answer is no.",
    "I say no",
    "It isn't",
    "cannot",
    "ye",
    "yep",
    "ja",
    "nah",
    "negative",
    "True",
    "false",
    "1",
    "0",
    "one",
    "zero",
    "NA",
    "N/A",
    "nan",
    "null",
    "piano",
    "是",
    "是的",
    "不",
    "没有。",
    "ＹＥＳ",
    "n\u043e",
    "y\u0435s",
    "y\u0301es",
    "Nº",
    "N o",
    "👍",
    "İyes",  # İ is two characters in lower case: the cut comes after "İye"
]


def sample(task="existence", label="Yes", number=0, image=None):
    return Sample(
        str(number),
        f"Is there a number {number} in the image? Please answer yes or no.",
        references=(label,),
        groups={"category": task},
        cluster=f"{task}/{number // 2:04}.png" if image is None else image,
    )


@pytest.mark.parametrize(
    ("text", "answer"),
    [(t, "yes") for t in YES] + [(t, "no") for t in NO] + [(t, None) for t in OTHER],
    ids=repr,
)
def test_an_answer_made_to_mislead_is_read_by_its_first_four_characters(text, answer):
    assert score_mme(sample(), text).parsed == answer
    assert score_mme(sample(label="Yes"), text).value == (answer == "yes")
    assert score_mme(sample(label="No"), text).value == (answer == "no")


@given(st.text(), st.sampled_from(["Yes", "No"]))
def test_every_text_is_worth_nothing_or_one(text, label):
    reading = score_mme(sample(label=label), text)
    assert reading.value in (0.0, 1.0)
    assert reading.parsed in ("yes", "no", None)


@given(st.text(min_size=4), st.text())
def test_what_stands_behind_four_characters_never_counts(text, more):
    start = text.lower()[:4]
    assert mme_yes_no(start + more) == mme_yes_no(start)


def test_an_answer_that_is_neither_is_wrong_and_counted_as_unparsed():
    score = score_sample(MME, sample(label="No"), Prediction("0", "It is not"))
    assert (score.value, score.parsed, score.status) == (0.0, None, "unparsed")


def scored(rows):
    """Score (task, image, label, text) rows."""
    return [
        score_sample(MME, sample(task, label, n, f"{task}/{image}.png"), Prediction(str(n), text))
        for n, (task, image, label, text) in enumerate(rows)
    ]


def full_set(answer):
    """The whole release with two questions an image, answered by `answer(image, label)`."""
    return [
        (task, image, label, answer(image, label))
        for task, count in QUESTIONS.items()
        for image in range(count // 2)
        for label in ("Yes", "No")
    ]


def always_yes(image, label):
    return "Yes"


def the_label(image, label):
    return label


def yes_on_odd_images(image, label):
    return "Yes" if image % 2 else label


def test_the_release_has_2374_questions_in_fourteen_tasks():
    assert tuple(QUESTIONS) == MME_TASKS
    assert sum(QUESTIONS.values()) in TASK.versions


@pytest.mark.parametrize(
    ("answer", "perception", "cognition"),
    [
        (the_label, 2000, 800),
        (always_yes, 500, 200),  # accuracy 50, no pair right
        (lambda image, label: "It is", 0, 0),
    ],
)
def test_the_whole_release_scores_what_its_construction_says(answer, perception, cognition):
    metrics = MME.summarize(scored(full_set(answer))).metrics
    assert (metrics["perception"].value, metrics["perception"].n) == (perception, 2114)
    assert (metrics["cognition"].value, metrics["cognition"].n) == (cognition, 260)


def tool(folder):
    """Score a folder of answers as MME's tool does: lines in pairs, tasks added in turn."""
    totals = []
    for tasks in (PERCEPTION, COGNITION):
        total = 0.0
        for task in tasks:
            content = (folder / f"{task}.txt").read_text(encoding="utf-8")
            lines = [line.split("\t") for line in content.splitlines(keepends=True)]
            right = [label.lower() == mme_yes_no(text) for _, _, label, text in lines]
            pairs = list(zip(right[::2], right[1::2], strict=True))
            score = sum(right) / len(right) * 100
            score += sum(map(all, pairs)) / len(pairs) * 100
            total += score
        totals.append(total)
    return totals


@pytest.mark.parametrize("seed", range(6))  # another order of adding shows in one or the other
def test_the_sums_are_the_tools_own_to_the_last_digit(tmp_path, seed):
    rng = random.Random(seed)
    rows = full_set(lambda image, label: rng.choice(("Yes", "No", label, "no\tway", "It\nis")))
    scores = scored(rows)
    data = DataSet("here", "v", True, tuple(score.sample for score in scores), "digest")
    predictions = {str(n): Prediction(str(n), text) for n, (*_, text) in enumerate(rows)}
    SUBMISSIONS["mme"].write(data, predictions, tmp_path)
    metrics = MME.summarize(scores).metrics
    assert [metrics["perception"].value, metrics["cognition"].value] == tool(tmp_path)
    assert 0 < metrics["cognition"].value < metrics["perception"].value < 2000


def test_a_task_adds_accuracy_and_accuracy_plus():
    rows = [
        ("OCR", 1, "Yes", "Yes"),
        ("OCR", 1, "No", "No."),
        ("OCR", 2, "Yes", "yes"),
        ("OCR", 2, "No", "Yes"),
    ]
    (figures,) = MME.summarize(scored(rows)).groups.values()
    assert {name: figure.value for name, figure in figures.items()} == {
        "score": 125.0,
        "accuracy": 75.0,
        "accuracy_plus": 50.0,
    }
    assert [figure.n for figure in figures.values()] == [4, 4, 2]


def test_pairs_are_told_by_their_image_and_not_by_their_place():
    rows = full_set(yes_on_odd_images)
    by_label = sorted(rows, key=lambda row: row[2])  # all questions to be answered no first
    one, other = MME.summarize(scored(rows)), MME.summarize(scored(by_label))
    assert one.metrics == other.metrics
    assert one.groups == other.groups


def test_one_image_in_two_tasks_is_two_images():
    rows = [(task, "same", label, label) for task in ("count", "color") for label in ("Yes", "No")]
    groups = MME.summarize(scored(rows)).groups
    assert groups["count"]["score"].value == groups["color"]["score"].value == 200


def test_a_sum_with_a_task_that_nobody_answered_is_undefined_and_not_smaller():
    rows = [row for row in full_set(the_label) if row[0] not in ("OCR", "code_reasoning")]
    summary = MME.summarize(scored(rows))
    assert summary.metrics["perception"].value is None
    assert summary.metrics["cognition"].value is None
    assert "OCR" not in summary.groups
    assert summary.groups["scene"]["score"].value == 200


def test_an_image_with_one_answer_counts_in_accuracy_but_not_in_pairs():
    rows = [("OCR", 1, "Yes", "Yes"), ("OCR", 1, "No", "No"), ("OCR", 2, "Yes", "No")]
    summary = MME.summarize(scored(rows))
    figures = summary.groups["OCR"]
    assert figures["accuracy"].value == pytest.approx(200 / 3)
    assert (figures["accuracy_plus"].value, figures["accuracy_plus"].n) == (100.0, 1)
    assert summary.notes["pairs"].startswith("not in accuracy_plus: 1 images")


def test_a_task_without_any_pair_has_no_score():
    figures = MME.summarize(scored([("OCR", 1, "Yes", "Yes")])).groups["OCR"]
    assert figures["accuracy"].value == 100.0
    assert figures["accuracy_plus"].value is figures["score"].value is None


def test_three_questions_on_an_image_are_an_error():
    with pytest.raises(DataError, match=r"OCR: 3 questions on OCR/1\.png, must be 2"):
        MME.summarize(scored([("OCR", 1, "Yes", "Yes")] * 3))


def test_the_interval_is_drawn_by_images():
    rows = full_set(yes_on_odd_images)
    perception = MME.summarize(scored(rows)).metrics["perception"]
    assert perception.low < perception.value < perception.high
    # Per task every image adds 200 or 50 points: the variance is that of ten means of such.
    variance = sum(75**2 / (QUESTIONS[task] / 2) for task in PERCEPTION)
    assert perception.error == pytest.approx(variance**0.5, rel=0.05)
    assert perception.high - perception.low == pytest.approx(2 * 1.96 * variance**0.5, rel=0.1)


def test_every_draw_holds_as_many_images_of_a_task_as_the_data():
    rows = [
        (task, image, label, label if image else "It is")  # 0 and 200 points
        for task in MME_TASKS
        for image in (0, 1)
        for label in ("Yes", "No")
    ]
    perception = MME.summarize(scored(rows)).metrics["perception"]
    variance = 10 * 100**2 * 2 / 2  # of ten means of two images, each 100 from the mean, n - 1
    assert perception.value == 1000
    # Images drawn from all tasks together would move this by a fifth.
    assert perception.error == pytest.approx(variance**0.5, rel=0.05)


ROWS = st.tuples(
    st.sampled_from(["OCR", "count", "scene"]),
    st.integers(0, 10**9),
    st.sampled_from(["Yes", "No", "It is"]),
    st.sampled_from(["Yes", "No"]),
)


@settings(deadline=None, max_examples=25)
@given(
    st.lists(ROWS, min_size=1, max_size=12, unique_by=lambda row: row[:2]),
    st.randoms(use_true_random=False),
)
def test_the_order_of_the_rows_moves_no_digit_and_no_figure_leaves_its_range(images, rng):
    rows = [
        (task, image, label, text)
        for task, image, *texts in images
        for label, text in zip(("Yes", "No"), texts, strict=True)
    ]
    scores = scored(rows)
    summary = MME.summarize(scores)
    rng.shuffle(scores)
    assert MME.summarize(scores) == summary
    for figures in summary.groups.values():
        assert 0 <= figures["accuracy_plus"].value <= figures["accuracy"].value <= 100


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (
            "Is a c++ code shown in the picture? Please answer yes or no.",
            "Is a c++ code shown in the picture?" + SUFFIX,
        ),
        # Two blanks, no question mark and a full-width one: three of MME's own oddities.
        (
            "Is the light under the fire hydrant in the image?  Please answer yes or no.",
            "Is the light under the fire hydrant in the image?" + SUFFIX,
        ),
        (
            "Is the refrigerator on the right side of the picture Please answer yes or no.",
            "Is the refrigerator on the right side of the picture" + SUFFIX,
        ),
        (
            "Is the trash can under the cup in the image？ Please answer yes or no.",
            "Is the trash can under the cup in the image？" + SUFFIX,
        ),
        (
            'Is the word in the logo "c\'est {cheese}"? Please answer yes or no.',
            'Is the word in the logo "c\'est {cheese}"?' + SUFFIX,
        ),
    ],
)
def test_a_row_becomes_the_text_of_llavas_question_file(write_jsonl, question, text):
    row = {
        "question_id": "OCR/0001.jpg",
        "question": question,
        "answer": "Yes",
        "category": "OCR",
    }
    (only,) = read_samples(TASK, str(write_jsonl("rows.jsonl", [row]))).samples
    assert build_request(TASK, only).text == text


def hub_rows():
    """Two images of each task; folder layout and file names as in the release."""
    rows = []
    for task in MME_TASKS:
        inside = (
            "images/" if task in ("artwork", "celebrity", "landmark", "posters", "scene") else ""
        )
        for image in (1, 2):
            for label in ("Yes", "No"):
                blank = "  " if (task, image, label) == ("position", 2, "No") else " "
                rows.append(
                    {
                        "question_id": f"{task}/{inside}{image:04}.jpg",
                        "question": f"Is it {label} in {task}?{blank}Please answer yes or no.",
                        "answer": label,
                        "category": task,
                    }
                )
    return rows


def official_folder(rows, write_jsonl):
    """Write LLaVA's question file and MME's text files of the same rows."""
    questions = [
        {
            "question_id": row["question_id"],
            "image": row["question_id"],
            "text": row["question"].removesuffix("Please answer yes or no.").rstrip() + SUFFIX,
            "category": row["category"],
        }
        for row in rows
    ]
    folder = write_jsonl("data/eval/MME/llava_mme.jsonl", questions).parent
    for row in rows:
        image = folder / "MME_Benchmark_release_version" / row["question_id"]
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(row["question_id"].encode())
        texts = image.parent
        if texts.name == "images":
            texts = texts.parent / "questions_answers_YN"
            texts.mkdir(exist_ok=True)
        with (texts / f"{image.stem}.txt").open("a", encoding="utf-8") as file:
            file.write(f"{row['question']}\t{row['answer']}\n")
    return folder


def llava_answers(rows, write_jsonl):
    texts = ["Yes", "No", "No.", "yes", "It is", "None", "", "YES\t\n"]
    return write_jsonl(
        "answers.jsonl",
        [
            {
                "question_id": row["question_id"],
                "prompt": row["question"].removesuffix("Please answer yes or no.").rstrip()
                + SUFFIX,
                "text": texts[number * 5 % 7 % len(texts)],
            }
            for number, row in enumerate(rows)
        ][::-1],
    )


def test_the_hubs_rows_and_llavas_folder_give_the_same_result(tmp_path, write_jsonl):
    rows = hub_rows()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    hub = read_samples(TASK, str(tmp_path / "rows.parquet"))
    official_folder(rows, write_jsonl)
    official = read_samples(TASK, str(tmp_path / "data"))
    path = llava_answers(rows, write_jsonl)
    _, one = score_predictions(TASK, hub, load_predictions(path, TASK, hub))
    _, other = score_predictions(TASK, official, load_predictions(path, TASK, official))
    assert (one.metrics, one.groups, one.unparsed) == (other.metrics, other.groups, other.unparsed)
    assert 0 < one.headline.value < 2000
    assert one.unparsed
    images = [sample.images[0].read().decode() for sample in official.samples]
    assert images == [row["question_id"] for row in rows]


def test_the_printed_table_has_the_figures_of_every_task(write_jsonl):
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", hub_rows())))
    answers = {sample.id: Prediction(sample.id, "Yes") for sample in data.samples}
    heading, *lines = result_table(score_predictions(TASK, data, answers)[1]).splitlines()
    assert heading.split()[2:] == ["perception", "cognition", *MME_FIGURES]
    assert lines[0].startswith("existence")
    assert "50.0 [50.0, 50.0]  50.0 [50.0, 50.0]" in lines[0]
    assert lines[14].startswith("all")
    assert "500.0 [500.0, 500.0]" in lines[14]


def test_rows_in_several_parquet_files_are_numbered_through(tmp_path):
    rows = hub_rows()
    pq.write_table(pa.Table.from_pylist(rows[:30]), tmp_path / "test-00000-of-00002.parquet")
    pq.write_table(pa.Table.from_pylist(rows[30:]), tmp_path / "test-00001-of-00002.parquet")
    samples = read_samples(TASK, str(tmp_path)).samples
    assert [sample.id for sample in samples] == [str(number) for number in range(56)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("OCR/0001.txt", "Is it? Please answer yes or no.\tYes\n", "is not asked in MME's files"),
        (
            "OCR/0001.txt",
            "Is it? Please answer yes or no. Yes\n",
            "a question, a tab and Yes or No",
        ),
        ("OCR/0001.txt", "Is it?\tMaybe\n", r"0001.txt:1: .*a question, a tab and Yes or No"),
        ("OCR/0001.txt", "Is it?\tYes\n\nIs it?\tNo\n", r"0001.txt:3: .* answered both Yes and No"),
        ("scene/questions_answers_YN/0002.txt", None, "0002.txt: cannot be read"),
    ],
)
def test_a_broken_text_file_is_named(write_jsonl, name, content, message):
    folder = official_folder(hub_rows(), write_jsonl)
    path = folder / "MME_Benchmark_release_version" / name
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_samples(TASK, str(folder))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"category": "ocr"}, "rows.jsonl:1: category is 'ocr', must be one of existence, count"),
        ({"answer": "Maybe"}, "the reference is 'Maybe', must be 'Yes' or 'No'"),
        ({"answer": None}, "answer is None, must be"),
        ({"question_id": ""}, "question_id is empty"),
        ({"question_id": None}, "question_id is None, must be"),
    ],
)
def test_a_malformed_row_is_one_clear_line(write_jsonl, changes, message):
    with pytest.raises(DataError, match=message):
        read_samples(TASK, str(write_jsonl("rows.jsonl", [hub_rows()[0] | changes])))


def whole(rows):
    samples = tuple(
        Sample(
            str(number),
            row["question"],
            references=(row["answer"],),
            groups={"category": row["category"]},
            cluster=row["question_id"],
        )
        for number, row in enumerate(rows)
    )
    return DataSet("here", "v", True, samples, "digest")


def test_the_submission_is_one_file_a_task_with_an_images_lines_together(tmp_path):
    rows = sorted(hub_rows(), key=lambda row: row["answer"])  # the lines of an image are apart
    predictions = {str(n): Prediction(str(n), "Yes") for n in range(len(rows))}
    paths = SUBMISSIONS["mme"].write(whole(rows), predictions, tmp_path)
    assert sorted(path.stem for path in paths) == sorted(MME_TASKS)
    assert (tmp_path / "position.txt").read_text() == (
        "0001.txt\tIs it No in position? Please answer yes or no.\tNo\tYes\n"
        "0001.txt\tIs it Yes in position? Please answer yes or no.\tYes\tYes\n"
        "0002.txt\tIs it No in position?  Please answer yes or no.\tNo\tYes\n"
        "0002.txt\tIs it Yes in position? Please answer yes or no.\tYes\tYes\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "\tYes",
        "No\n",
        "It\nis\tno",
        "\r\nno",
        "",
        "\ud800",
        "nan",
        "a\u2028b\x0bc\x85d",
        "It\nno",
        "ye\ts",
    ],
)
def test_no_answer_shifts_a_column_or_is_read_differently_by_the_tool(tmp_path, text):
    rows = hub_rows()
    predictions = {str(n): Prediction(str(n), text) for n in range(len(rows))}
    for path in SUBMISSIONS["mme"].write(whole(rows), predictions, tmp_path):
        with path.open(encoding="utf-8") as file:  # as the tool reads it
            lines = file.readlines()
        assert len(lines) == 4
        for line in lines:
            *_, answer = fields = line.split("\t")
            assert len(fields) == 4
            assert mme_yes_no(answer) == mme_yes_no(text)


@pytest.mark.parametrize(
    ("rows", "answered", "message"),
    [
        (hub_rows(), 55, "row 55 has no answer"),
        (hub_rows()[:-4], 52, "no rows of code_reasoning; give all of MME"),
        (hub_rows()[:-1], 55, "code_reasoning: 1 questions on code_reasoning/0002.jpg, must be 2"),
    ],
)
def test_a_submission_that_the_tool_would_stop_at_is_refused(tmp_path, rows, answered, message):
    predictions = {str(n): Prediction(str(n), "Yes") for n in range(answered)}
    with pytest.raises(PredictionsError, match=message):
        SUBMISSIONS["mme"].write(whole(rows), predictions, tmp_path)
