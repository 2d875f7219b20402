"""POPE against answers invented to mislead it; expectations are worked out from its rule.

The rule: what stands before the first full stop, without commas, split at single blanks; one
of the words is exactly "No", "not" or "no" means no, and everything else means yes.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llava_eval.prompts import build_request
from llava_eval.records import Prediction, Sample
from llava_eval.samples import read_samples
from llava_eval.scorers.base import score_sample
from llava_eval.scorers.yes_no import POPE, score_pope
from llava_eval.scoring import score_predictions
from llava_eval.task import load_task
from tests.conftest import pope_row

TASK = load_task("pope")
CATEGORIES = ("adversarial", "popular", "random")

NO = [
    "No",
    "no",
    "not",
    "No.",
    "no.",
    "No,",
    "No, no",
    "  no",
    "no  ",
    "not.",
    "no.yes",
    "No. Yes.",
    "Yes no",
    "Yes, not no",
    "There is no dog",
    "There are not any",
    "can not",
    "No one is there",
    "No dogs, cats or birds",
    "The answer is: no",
    "I would say no, it is a cat",
    "Yes, there is a dog, not a cat.",
    "没有 no",
    "No， it is not",
    "👎 no",
    "n,o",
    "N,o",
    "n,o,t",
    "A no",
]
YES = [
    "",
    " ",
    "\n",
    "Yes",
    "YES",
    "NO",
    "nO",
    "Not",
    "NOT",
    "Not a dog",
    "No!",
    "No?",
    "No;",
    "No:",
    "(no)",
    '"no"',
    "'No'",
    "*no*",
    "no,no",
    "no-one",
    "no\n",
    "\nno",
    "\tno",
    "no\tdog",
    "Answer:\nno",
    "The answer is:no",
    ".no",
    "...No",
    "1. No",
    "Mr. no",
    "3.5 no",
    "Yes.no",
    "Yes. There is no dog.",
    "There aren't any",
    "I cannot see it",
    "isn't",
    "Nope",
    "None",
    "none",
    "NA",
    "N/A",
    "nan",
    "null",
    "nothing",
    "neither nor",
    "know",
    "zero",
    "0",
    "false",
    "是",
    "没有",
    "不是",
    "不，no",
    "no。",
    "ｎｏ",
    "n\u043e",
    "no\u00a0dog",
    "no\u3000dog",
    "\ufeffno",
    "no\u200b",
    "no👎",
]


def sample(label="yes", category="random", number=0):
    return Sample(
        str(number),
        "Is there a dog in the image?",
        references=(label,),
        groups={"category": category},
        cluster=str(number // 3),
    )


@pytest.mark.parametrize(
    ("text", "answer"), [(t, "no") for t in NO] + [(t, "yes") for t in YES], ids=repr
)
def test_an_answer_made_to_mislead_is_read_by_the_letter_of_the_rule(text, answer):
    assert score_pope(sample(), text).parsed == answer
    assert score_pope(sample("yes"), text).value == (answer == "yes")
    assert score_pope(sample("no"), text).value == (answer == "no")


@given(st.text(), st.sampled_from(["yes", "no"]))
def test_every_text_is_yes_or_no_and_worth_nothing_or_one(text, label):
    reading = score_pope(sample(label), text)
    assert reading.parsed in ("yes", "no")
    assert reading.value in (0.0, 1.0)


@given(st.text())
def test_what_follows_the_first_full_stop_never_counts(text):
    head = text.split(".")[0]
    assert score_pope(sample(), head + ".no").parsed == score_pope(sample(), head).parsed


ROWS = st.tuples(
    st.sampled_from(["yes", "no"]), st.sampled_from(["Yes", "No"]), st.sampled_from(CATEGORIES)
)


@settings(deadline=None, max_examples=25)
@given(st.lists(ROWS, min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_moves_no_digit(rows, rng):
    scores = [
        score_sample(POPE, sample(label, category, n), Prediction(str(n), text))
        for n, (label, text, category) in enumerate(rows)
    ]
    summary = POPE.summarize(scores)
    rng.shuffle(scores)
    assert POPE.summarize(scores) == summary


@settings(deadline=None, max_examples=25)
@given(st.lists(ROWS, min_size=1, max_size=30))
def test_every_figure_is_a_percentage_or_undefined(rows):
    scores = [
        score_sample(POPE, sample(label, category, n), Prediction(str(n), text))
        for n, (label, text, category) in enumerate(rows)
    ]
    summary = POPE.summarize(scores)
    for figures in (summary.metrics, *summary.groups.values()):
        for figure in figures.values():
            assert figure.value is None or 0 <= figure.value <= 100


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (
            "Is there a snowboard in the image?",
            "Is there a snowboard in the image?\n"
            "Answer the question using a single word or phrase.",
        ),
        (
            " Is there an {object}?  ",
            " Is there an {object}?  \nAnswer the question using a single word or phrase.",
        ),
    ],
)
def test_a_row_becomes_the_text_of_llavas_question_file(write_jsonl, question, text):
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", [pope_row(1, question=question)])))
    assert build_request(TASK, data.samples[0]).text == text


def official_folder(rows, write_jsonl):
    """Write the same rows as LLaVA's folder; labels in another order than the questions."""
    for category in CATEGORIES:
        labels = [
            {
                "question_id": number,
                "image": f"{row['image_source']}.jpg",
                "text": row["question"],
                "label": row["answer"],
            }
            for number, row in enumerate(rows, 1)
            if row["category"] == category
        ]
        write_jsonl(f"eval/pope/coco/coco_pope_{category}.json", labels[::-1])
    questions = [
        {
            "question_id": int(row["id"]),
            "image": f"{row['image_source']}.jpg",
            "text": f"{row['question']}\nAnswer the question using a single word or phrase.",
            "category": row["category"],
        }
        for row in rows
    ]
    return write_jsonl("eval/pope/llava_pope_test.jsonl", questions).parent


def test_the_hubs_rows_and_llavas_folder_give_the_same_result(write_jsonl):
    rows = [pope_row(n, question=f"Is there a number {n} in the image?") for n in range(18)]
    answers = {
        row["id"]: Prediction(row["id"], text)
        for row, text in zip(rows, random.Random(1).choices([*NO, *YES], k=18), strict=True)
    }
    hub = read_samples(TASK, str(write_jsonl("rows.jsonl", rows)))
    official = read_samples(TASK, str(official_folder(rows, write_jsonl)))
    assert official.digest == hub.digest
    _, one = score_predictions(TASK, hub, answers)
    _, other = score_predictions(TASK, official, answers)
    assert (one.metrics, one.groups) == (other.metrics, other.groups)
    assert one.headline.n == 18
