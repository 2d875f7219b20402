"""GQA. The rule: full stops off the end, lower case, then equal to the letter or wrong."""

import dataclasses
import json
import random
from fractions import Fraction

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llava_eval.answers.exact import gqa_answer
from llava_eval.errors import DataError, PredictionsError
from llava_eval.predictions import load_predictions
from llava_eval.prompts import build_request
from llava_eval.records import DataSet, Prediction, Sample
from llava_eval.samples import read_samples
from llava_eval.scorers.base import score_sample
from llava_eval.scorers.exact import GQA, STRUCTURAL, distribution, score_gqa
from llava_eval.scoring import score_predictions
from llava_eval.submissions import SUBMISSIONS
from llava_eval.task import load_task
from tests.conftest import golden

TASK = load_task("gqa")
SUFFIX = "\nAnswer the question using a single word or phrase."


@pytest.mark.parametrize("row", golden("gqa"), ids=lambda row: repr(row["text"]))
def test_every_golden_answer_is_converted_as_llavas_script_does(row):
    assert gqa_answer(row["text"]) == row["answer"]


RIGHT = [
    ("dog", "dog"),
    ("Dog", "dog"),
    ("DOG", "dog"),
    ("dog.", "dog"),
    ("Dog..", "dog"),
    ("DOG......", "dog"),
    ("YES", "yes"),
    ("No.", "no"),
    ("to the Left", "to the left"),
    ("T-shirt", "t-shirt"),
    ("Two", "two"),
    ("None", "none"),
    ("NA", "na"),
    ("nan", "nan"),
    ("U.S.", "u.s"),
    ("CAFÉ", "café"),
    ("Tennis racket.", "tennis racket"),
]
WRONG = [
    ("", "dog"),
    (".", "dog"),
    (" ", "dog"),
    ("\n", "dog"),
    (" dog", "dog"),
    ("dog ", "dog"),
    ("dog. ", "dog"),
    ("dog .", "dog"),
    ("dog\n", "dog"),
    ("dog.\n", "dog"),
    ("\ndog", "dog"),
    ("dog\t", "dog"),
    ("dog\r", "dog"),
    ("dog!", "dog"),
    ("dog?", "dog"),
    ("dog,", "dog"),
    ("dog;", "dog"),
    ('"dog"', "dog"),
    ("(dog)", "dog"),
    ("**dog**", "dog"),
    (".dog", "dog"),
    ("d.o.g", "dog"),
    ("dog.cat", "dog"),
    ("dog…", "dog"),
    ("dog。", "dog"),
    ("dog．", "dog"),
    ("ｄｏｇ", "dog"),
    ("狗", "dog"),
    ("d\u03bfg", "dog"),
    ("dog\u200b", "dog"),
    ("\ufeffdog", "dog"),
    ("dog\u00a0", "dog"),
    ("🐶", "dog"),
    ("a dog", "dog"),
    ("the dog", "dog"),
    ("dogs", "dog"),
    ("puppy", "dog"),
    ("dog, cat", "dog"),
    ("dog or cat", "dog"),
    ("A", "dog"),
    ("A. dog", "dog"),
    ("It is a dog.", "dog"),
    ("The answer is dog", "dog"),
    ("None", "dog"),
    ("NA", "dog"),
    ("nan", "dog"),
    ("2", "two"),
    ("two", "2"),
    ("Yes, it is", "yes"),
    ("no,", "no"),
    ("y", "yes"),
    ("left", "to the left"),
    ("to the  left", "to the left"),
    ("tennis\nracket", "tennis racket"),
    ("tshirt", "t-shirt"),
    ("U.S.", "u.s."),
    ("İ", "i"),
    ("STRASSE", "straße"),
    ("cafe\u0301", "café"),
]


def sample(answer="dog", structural="query", group="animal", number=0, detailed="categoryThis"):
    return Sample(
        str(number),
        "What is it?",
        references=(answer,),
        groups={
            "structural": structural,
            "semantic": "cat",
            "detailed": detailed,
            "global": group,
        },
        cluster=str(number // 3),
    )


@pytest.mark.parametrize(
    ("text", "reference", "value"),
    [(*pair, 1.0) for pair in RIGHT] + [(*pair, 0.0) for pair in WRONG],
    ids=repr,
)
def test_an_answer_made_to_mislead_is_compared_to_the_letter(text, reference, value):
    assert score_gqa(sample(reference), text).value == value


@given(st.text(), st.text(min_size=1))
def test_every_text_is_worth_nothing_or_one(text, reference):
    reading = score_gqa(sample(reference), text)
    assert reading.value in (0.0, 1.0)
    assert reading.parsed is not None


@given(st.text())
def test_full_stops_at_the_end_never_count(text):
    assert gqa_answer(text + "...") == gqa_answer(text)


def scored(rows):
    return [
        score_sample(
            GQA, sample(answer, structural, group, n, detailed), Prediction(str(n), given_answer)
        )
        for n, (answer, given_answer, structural, group, detailed) in enumerate(rows)
    ]


WORDS = st.sampled_from(["dog", "cat", "red"])
ROWS = st.tuples(
    WORDS,
    WORDS,
    st.sampled_from(STRUCTURAL),
    st.sampled_from(["animal", "color", ""]),
    st.sampled_from(["category", "color", ""]),
)


@settings(deadline=None, max_examples=50)
@given(st.lists(ROWS, min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_moves_no_value(rows, rng):
    scores = scored(rows)
    shuffled = list(scores)
    rng.shuffle(shuffled)
    one, other = GQA.summarize(scores), GQA.summarize(shuffled)
    assert one.metrics.keys() == other.metrics.keys()
    assert {k: v.value for k, v in one.metrics.items()} == {
        k: v.value for k, v in other.metrics.items()
    }
    assert {k: v["accuracy"].value for k, v in one.groups.items()} == {
        k: v["accuracy"].value for k, v in other.groups.items()
    }


@settings(deadline=None, max_examples=50)
@given(st.lists(ROWS, min_size=1, max_size=30))
def test_accuracy_is_the_share_of_equal_answers_in_all_and_in_every_group(rows):
    summary = GQA.summarize(scored(rows))
    share = Fraction(sum(row[0] == row[1] for row in rows), len(rows))
    assert summary.metrics["accuracy"].value == pytest.approx(float(100 * share), abs=1e-11)
    for name in STRUCTURAL:
        mine = [row[0] == row[1] for row in rows if row[2] == name]
        assert (name in summary.groups) == bool(mine)
        if mine:
            figure = summary.groups[name]["accuracy"]
            assert figure.n == len(mine)
            assert figure.value == pytest.approx(100 * sum(mine) / len(mine), abs=1e-11)


# answer, prediction, structural, global group, detailed
TEN = [
    ("dog", "dog", "query", "animal", "categoryThis"),
    ("dog", "cat", "query", "animal", "categoryThis"),
    ("dog", "fish", "query", "animal", "categoryThis"),
    ("cat", "cat", "choose", "animal", "category"),
    ("yes", "yes", "verify", "", "existC"),
    ("no", "yes", "verify", "", "existC"),
    ("yes", "yes", "logical", "", "existAnd"),
    ("red", "blue", "query", "color", "directOf"),
    ("blue", "blue", "query", "color", "directOf"),
    ("no", "no", "compare", "", "twoSame"),
]


def test_open_questions_are_the_queries_and_binary_ones_all_others():
    metrics = GQA.summarize(scored(TEN)).metrics
    assert metrics["accuracy"].value == pytest.approx(60)
    assert (metrics["open"].value, metrics["open"].n) == (pytest.approx(40), 5)
    assert (metrics["binary"].value, metrics["binary"].n) == (pytest.approx(80), 5)


def test_the_distribution_is_the_chi_square_worked_out_by_hand():
    # animal: dog 3 asked, 1 given: 4/3; cat 1 asked, 2 given: 1; fish is no reference. 4 rows.
    # color: red 1 asked, 0 given: 1; blue 1 asked, 2 given: 1. 2 rows. No group: not counted.
    by_hand = Fraction(4 * (Fraction(4, 3) + 1) + 2 * (1 + 1), 4 + 2) / 100
    summary = GQA.summarize(scored(TEN))
    figure = summary.metrics["distribution"]
    assert summary.notes == {"distribution": "0.02 (lower is better)"}
    assert figure.value == pytest.approx(float(by_hand), abs=1e-15)
    assert 0 <= figure.low < figure.value < figure.high


def test_the_distribution_is_one_number_whatever_the_order_of_the_rows():
    rng = random.Random(0)
    words = [f"word{number}" for number in range(12)]
    rows = [
        (rng.choice(words), rng.choice(words), "query", rng.choice("abcdefg"), "x")
        for _ in range(400)
    ]
    figures = {distribution(scored(rng.sample(rows, 400))) for _ in range(10)}
    assert len(figures) == 1


def test_answers_that_are_all_right_have_a_distribution_of_nothing():
    rows = [(answer, answer, *rest) for answer, _, *rest in TEN]
    assert GQA.summarize(scored(rows)).metrics["distribution"].value == 0.0


def test_what_no_question_belongs_to_is_undefined():
    metrics = GQA.summarize(scored([("yes", "yes", "verify", "", "existC")])).metrics
    assert (metrics["open"].value, metrics["open"].n) == (None, 0)
    assert metrics["distribution"].value is None


def test_a_detailed_type_named_like_a_semantic_one_stands_apart():
    groups = GQA.summarize(scored(TEN)).groups
    assert groups["category"]["accuracy"].n == 10
    assert groups["detailed: category"]["accuracy"].n == 1
    assert groups["existC"]["accuracy"].value == pytest.approx(50)


def gqa_row(number, **changes):
    """A row in the schema of lmms-lab/GQA, without its image."""
    answer, _, structural, group, detailed = TEN[number % len(TEN)]
    row = {
        "id": f"2013072{number:02}",
        "imageId": f"n{number // 3}",
        "question": f"What is number {number}?",
        "answer": answer,
        "fullAnswer": f"It is {answer}.",
        "isBalanced": True,
        "groups": {"global": group or None, "local": "14-dog"},
        "types": {"structural": structural, "semantic": "cat", "detailed": detailed},
        "semantic": [{"operation": "select", "argument": "it", "dependencies": []}],
    }
    return row | changes


def answers_file(rows, write_jsonl):
    return write_jsonl(
        "answers.jsonl",
        [
            {"question_id": row["id"], "prompt": row["question"] + SUFFIX, "text": f"{text}."}
            for row, (_, text, *_) in zip(rows, TEN * 2, strict=False)
        ],
    )


def official_folder(rows, write_jsonl):
    folder = write_jsonl(
        "playground/data/eval/gqa/llava_gqa_testdev_balanced.jsonl",
        [
            {
                "question_id": row["id"],
                "image": f"{row['imageId']}.jpg",
                "text": row["question"] + SUFFIX,
                "category": "default",
            }
            for row in rows
        ],
    ).parent
    records = {
        row["id"]: {k: v for k, v in row.items() if k not in ("id", "image")} for row in rows[::-1]
    }
    (folder / "data").mkdir()
    (folder / "data" / "testdev_balanced_questions.json").write_text(json.dumps(records))
    return folder


def test_the_hubs_rows_and_llavas_folder_give_the_same_result(tmp_path, write_jsonl):
    rows = [gqa_row(number) for number in range(14)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    hub = read_samples(TASK, str(tmp_path / "rows.parquet"))
    official_folder(rows, write_jsonl)
    official = read_samples(TASK, str(tmp_path))
    assert official.digest == hub.digest
    assert hub.samples[0].groups == {
        "structural": "query",
        "semantic": "cat",
        "detailed": "categoryThis",
        "global": "animal",
    }
    path = answers_file(rows, write_jsonl)
    _, one = score_predictions(TASK, hub, load_predictions(path, TASK, hub))
    _, other = score_predictions(TASK, official, load_predictions(path, TASK, official))
    assert (one.metrics, one.groups) == (other.metrics, other.groups)
    assert one.headline.n == 14
    assert {"query", "category", "detailed: category", "existAnd"} <= one.groups.keys()


def test_a_tsv_holds_the_structs_as_json(tmp_path, write_jsonl):
    rows = [gqa_row(number) for number in range(3)]
    names = ("id", "imageId", "question", "answer", "groups", "types")
    lines = ["\t".join(names)] + [
        "\t".join(v if isinstance(v := row[n], str) else json.dumps(v) for n in names)
        for row in rows
    ]
    # As a spreadsheet would quote it.
    (tmp_path / "rows.tsv").write_text(
        "\n".join(
            "\t".join('"' + cell.replace('"', '""') + '"' for cell in line.split("\t"))
            for line in lines
        )
    )
    tsv = read_samples(TASK, str(tmp_path / "rows.tsv"))
    assert tsv.digest == read_samples(TASK, str(write_jsonl("rows.jsonl", rows))).digest


def test_the_hubs_questions_are_joined_with_the_images_of_their_own_configuration(monkeypatch):
    rows = [gqa_row(number % 10, id=str(number), imageId=f"n{number % 2}") for number in range(12)]
    pictures = [{"id": "n1", "image": {"bytes": b"one", "path": None}}]
    features = datasets.Features({"id": datasets.Value("string"), "image": datasets.Image()})
    loaded = {
        "testdev_balanced_instructions": datasets.Dataset.from_list(rows),
        "testdev_balanced_images": datasets.Dataset.from_list(pictures, features=features),
    }
    asked = []

    def load(repo, config, split):
        asked.append((repo, config, split))
        return loaded[config]

    monkeypatch.setattr(datasets, "load_dataset", load)
    samples = read_samples(dataclasses.replace(TASK, versions={12: "twelve"}), "hub").samples
    assert samples[1].images[0].read() == b"one"
    with pytest.raises(DataError, match="no image in column 'image'"):  # n0 has no picture
        samples[0].images[0].read()
    assert asked == [
        ("lmms-lab-encoder/GQA", "testdev_balanced_instructions", "testdev"),
        ("lmms-lab-encoder/GQA", "testdev_balanced_images", "testdev"),
    ]


def test_a_row_of_llavas_folder_becomes_its_request(tmp_path, write_jsonl):
    official_folder([gqa_row(0, question="What is under the {table}?")], write_jsonl)
    request = build_request(TASK, read_samples(TASK, str(tmp_path)).samples[0])
    assert request.text == (
        "What is under the {table}?\nAnswer the question using a single word or phrase."
    )
    assert request.max_new_tokens == 128
    assert request.images[0].name.endswith("eval/gqa/data/images/n0.jpg")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"types": None}, "rows.jsonl:1: types: structural is '', must be one of choose, compare"),
        (
            {"types": {"structural": "Query", "semantic": "cat", "detailed": "x"}},
            "structural is 'Query'",
        ),
        ({"types": {"structural": "query", "semantic": "cats"}}, "semantic is 'cats'"),
        ({"types": "query"}, "types is 'query', must be a struct"),
        ({"types": "[1]"}, "must be a struct"),
        ({"types": 3}, "types is 3, must be dict or str"),
        ({"isBalanced": False}, "not a balanced question; give the rows of testdev_balanced"),
        ({"answer": ""}, r"the answer is \[''\], must be one text"),
        ({"answer": 3}, "answer is 3, must be str"),
        ({"imageId": None}, "imageId is None"),
    ],
)
def test_a_malformed_row_is_one_clear_line(write_jsonl, changes, message):
    with pytest.raises(DataError, match=message):
        read_samples(TASK, str(write_jsonl("rows.jsonl", [gqa_row(0, **changes)])))


def test_a_row_of_a_split_without_answers_is_read_and_waits_for_the_server(write_jsonl):
    row = gqa_row(0, answer=None, types=None, groups=None)
    (only,) = read_samples(TASK, str(write_jsonl("rows.jsonl", [row]))).samples
    assert score_sample(GQA, only, Prediction(only.id, "dog")).status == "ungraded"


def test_llavas_folder_must_hold_a_record_for_every_question(tmp_path, write_jsonl):
    folder = official_folder([gqa_row(0), gqa_row(1)], write_jsonl)
    path = folder / "data" / "testdev_balanced_questions.json"
    path.write_text(json.dumps({"201307200": {}, "x": {}}))
    with pytest.raises(DataError, match="jsonl:2: question '201307201' has no record in"):
        read_samples(TASK, str(tmp_path))
    path.write_text(json.dumps({"201307200": {}}))
    with pytest.raises(DataError, match="1 records for 2 questions"):
        read_samples(TASK, str(tmp_path))


@pytest.mark.parametrize(("content", "message"), [("[]", "holds a list"), ("{", "not valid JSON")])
def test_a_broken_file_of_records_is_named(tmp_path, write_jsonl, content, message):
    folder = official_folder([gqa_row(0)], write_jsonl)
    (folder / "data" / "testdev_balanced_questions.json").write_text(content)
    with pytest.raises(DataError, match=f"testdev_balanced_questions.json.*{message}"):
        read_samples(TASK, str(tmp_path))


def test_a_missing_answer_is_counted_and_not_scored(write_jsonl):
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", [gqa_row(n) for n in range(4)])))
    _, result = score_predictions(TASK, data, {"201307200": Prediction("201307200", "Dog.")})
    assert (result.headline.value, result.headline.n, result.missing) == (100.0, 1, 3)


def test_the_submission_is_what_gqas_own_script_reads(tmp_path):
    data = DataSet("here", "v", True, (sample(number=7), sample(number=8)), "digest")
    predictions = {"7": Prediction("7", "A\tDog...\n"), "8": Prediction("8", "U.S.")}
    (path,) = SUBMISSIONS["gqa"].write(data, predictions, tmp_path)
    assert path.name == "testdev_balanced_predictions.json"
    assert json.loads(path.read_text()) == [
        {"questionId": "7", "prediction": "a\tdog...\n"},
        {"questionId": "8", "prediction": "u.s"},
    ]


@pytest.mark.parametrize("failed", [None, Prediction("7", "", "error", "no image")])
def test_an_incomplete_submission_is_refused(tmp_path, failed):
    data = DataSet("here", "v", True, (sample(number=7),), "digest")
    with pytest.raises(PredictionsError, match="question '7' has no answer"):
        SUBMISSIONS["gqa"].write(data, {"7": failed} if failed else {}, tmp_path)
