import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llava_eval.answers.ratings import llava_bench_ratings
from llava_eval.errors import DataError
from llava_eval.predictions import load_grades, load_predictions
from llava_eval.prompts import build_request
from llava_eval.records import Estimate, Prediction, Sample
from llava_eval.samples import read_samples
from llava_eval.scorers.base import score_sample
from llava_eval.scorers.relative import LLAVA_BENCH
from llava_eval.scoring import score_predictions
from llava_eval.store import result_to_json
from llava_eval.task import load_task
from tests.conftest import golden

TASK = load_task("llava_bench")
CATEGORIES = ("complex", "conv", "detail")
ASKED = (
    "What is this?",
    "Describe this photo in detail. ",
    "  Who is {hint}?\nAnd why?",
    "这是什么？",
    "Is <AND> a tag | or not?\tNaN",
)


def row(number, **changes):
    """A row in the schema of lmms-lab/llava-bench-in-the-wild."""
    content = {
        "question_id": str(number),
        "question": ASKED[number % 5],
        "category": CATEGORIES[number % 3],
        "caption": "A photo of mangosteens." if number // 4 % 2 else "A dog.\nIt sleeps.",
        "gpt_answer": f"A reference {number}.",
        "image_id": f"{number // 4 + 1:03}",
    }
    return content | changes


def scores_of(replies, clusters=3):
    """Scores of questions in order; each item holds the replies about one answer."""
    scores = []
    for number, said in enumerate(replies):
        sample = Sample(
            str(number),
            "?",
            references=("A dog.",),
            groups={"category": CATEGORIES[number % 3]},
            cluster=str(number % clusters),
        )
        answer = Prediction(sample.id, "A cat.")
        scores.append(score_sample(LLAVA_BENCH, sample, answer, tuple(said)))
    return scores


@pytest.mark.parametrize("vector", golden("llava_bench"), ids=lambda vector: repr(vector["reply"]))
def test_every_golden_reply_is_read_as_llavas_script_reads_it(vector):
    assert list(llava_bench_ratings(vector["reply"]) or (-1, -1)) == vector["ratings"]


@pytest.mark.parametrize(
    ("reply", "ratings"),
    [
        ("8 7", (8, 7)),
        ("10 10\nBoth are excellent.", (10, 10)),
        ("9 6.5\n\nAssistant 1 ...", (9, 6.5)),
        ("8,7\nwell", (8, 7)),
        ("8.25,7.75", (8.25, 7.75)),
        ("1 10", (1, 10)),
        ("8 7\r\nbecause", (8, 7)),  # a carriage return is white space to the number
        ("8 7\t", (8, 7)),
        ("8 \t7", (8, 7)),
        ("\t8 7", (8, 7)),
        ("8\u3000 7", (8, 7)),
        ("8 7\u00a0\nx", (8, 7)),
        ("8. 7.", (8, 7)),
        (".8 .7", (0.8, 0.7)),
        ("+8 +7", (8, 7)),
        ("08 007", (8, 7)),
        ("8e0 7E0", (8, 7)),
        ("８ ７", (8, 7)),  # full-width digits are digits
        ("٨ ٧", (8, 7)),
        ("1_0 7", (10, 7)),
        ("11 12", (11, 12)),
        ("0 0", (0, 0)),
        ("-3 4", (-3, 4)),
        ("-1 -1", (-1, -1)),
        ("1e2 3", (100, 3)),
        ("80 70", (80, 70)),
        ("8 7\n9 9", (8, 7)),
        ("", None),
        (" ", None),  # two empty words
        (",", None),
        ("\n8 7", None),
        ("8", None),
        ("8 7 6", None),
        ("8 7 ", None),
        (" 8 7", None),
        ("8  7", None),
        ("8, 7", None),
        ("8 ,7", None),
        ("8,7,", None),
        ("8,5 7,5", None),  # decimal commas are four numbers
        ("8\t7", None),
        ("8\u00a07", None),
        ("8\n7", None),
        ("8/10 7/10", None),
        ("8/10, 7/10", None),
        ("8:7", None),
        ("8-7", None),
        ("8;7", None),
        ("8，7", None),
        ("8， 7", None),
        ("8、7", None),
        ("8。 7。", None),
        ("[8, 7]", None),
        ("(8 7)", None),
        ("**8 7**", None),
        ("**8** **7**", None),
        ('"8 7"', None),
        ("Score: 8 7", None),
        ("Scores: 8,7", None),
        ("Assistant 1", None),
        ("Assistant 1: 8\nAssistant 2: 7", None),
        ("eight seven", None),
        ("八 七", None),
        ("VIII VII", None),
        ("8 seven", None),
        ("None None", None),
        ("NA NA", None),
        ("8 None", None),
        ("8% 7%", None),
        ("8 7.", (8, 7)),
        ("8.5.1 7", None),
        ("0x8 0x7", None),
        ("½ 7", None),
        ("² 7", None),
        ("8 7\u2028because", None),
        ("8 7\\nbecause", None),
        ("\ufeff8 7", None),
        ("8 7🙂", None),
        ("I cannot rate these.", None),
    ],
)
def test_only_two_numbers_with_one_space_between_on_the_first_line_are_read(reply, ratings):
    assert llava_bench_ratings(reply) == ratings


@pytest.mark.parametrize(
    ("reply", "value", "parsed"),
    [
        ("8 7", 0.7, "8 7"),
        ("8 6.5", 0.65, "8 6.5"),
        ("11 12", 1.0, "11 12"),
        ("0 0", 0.0, "0 0"),
        ("4 -3", 0.0, "4 -3"),
        ("3 1e2", 1.0, "3 100"),
        ("1e308 1e308", 1.0, "1e+308 1e+308"),
        ("nan 5", None, None),
        ("5 nan", None, None),
        ("inf 5", None, None),
        ("5 -Infinity", None, None),
        ("5 1e400", None, None),
        ("8, 7", None, None),
    ],
)
def test_a_rating_off_the_scale_counts_and_one_that_is_no_number_is_unparsed(reply, value, parsed):
    score = scores_of([[reply]])[0]
    assert (score.value, score.parsed) == (value, parsed)
    assert score.status == ("scored" if parsed else "unparsed")


def test_an_answer_without_a_reply_waits_for_the_judge():
    assert scores_of([[]])[0].status == "ungraded"


def test_a_question_is_unparsed_only_if_no_run_can_be_read():
    one, none = scores_of([["bad", "8 6", "8 7"], ["bad", "worse"]])
    assert (one.value, one.parsed) == (pytest.approx(0.65), "8 6; 8 7")
    assert one.details == (0, -1, -1, 1, 8, 6, 1, 8, 7)
    assert (none.value, none.status) == (None, "unparsed")


def test_the_score_is_the_ratio_of_the_means_and_not_the_mean_of_the_ratios():
    metrics = LLAVA_BENCH.summarize(scores_of([["8 8"], ["2 1"], ["10 6"]])).metrics
    assert metrics["relative_score"].value == pytest.approx(100 * 15 / 20, abs=1e-12)
    assert metrics["reference_mean"].value == pytest.approx(10 * 20 / 3, abs=1e-12)
    assert metrics["model_mean"].value == pytest.approx(10 * 15 / 3, abs=1e-12)


def test_an_unreadable_reply_is_minus_one_twice_in_the_official_figure_only():
    metrics = LLAVA_BENCH.summarize(scores_of([["8 6"], ["8, 6"], ["10 9"]])).metrics
    assert metrics["relative_score"].value == pytest.approx(100 * 15 / 18, abs=1e-12)
    assert metrics["official_relative_score"].value == pytest.approx(100 * 14 / 17, abs=1e-12)
    assert (metrics["relative_score"].n, metrics["official_relative_score"].n) == (2, 3)


def test_a_judge_of_whom_nothing_can_be_read_gives_no_score_where_the_script_gives_100():
    summary = LLAVA_BENCH.summarize(scores_of([["?"]] * 6))
    assert summary.metrics["relative_score"] == Estimate(None, None, None, 0)
    assert summary.metrics["official_relative_score"].value == 100
    assert summary.notes["official: all"] == "100.0 -10.0 -10.0"


def test_several_runs_average_per_question_and_officially_per_run():
    summary = LLAVA_BENCH.summarize(scores_of([["8 4", "8 7"], ["4 4", "bad"]]))
    # Questions: (8, 5.5) and (4, 4). Runs: 8/12, then (7 - 1)/(8 - 1).
    assert summary.metrics["relative_score"].value == pytest.approx(100 * 9.5 / 12, abs=1e-12)
    official = summary.metrics["official_relative_score"].value
    assert official == pytest.approx((100 * 8 / 12 + 100 * 6 / 7) / 2, abs=1e-12)
    assert summary.notes["official: all"] == "66.7 60.0 40.0; 85.7 35.0 30.0; mean 76.2"


def test_a_run_that_reached_only_some_categories_leaves_the_others_defined():
    summary = LLAVA_BENCH.summarize(scores_of([["8 4", "8 6"], ["4 4"]]))
    groups = {
        name: group["official_relative_score"].value for name, group in summary.groups.items()
    }
    assert groups == pytest.approx({"complex": 62.5, "conv": 100})
    assert summary.notes["official: conv"] == "100.0 40.0 40.0"


def test_the_note_rounds_the_means_to_three_decimals_before_it_divides():
    # Means 1/3 and 2/3 become 0.333 and 0.667: 200.3, where the unrounded ratio is 200.
    summary = LLAVA_BENCH.summarize(scores_of([["0 0"], ["1 1"], ["0 1"]]))
    assert summary.notes["official: all"] == "200.3 3.3 6.7"
    assert summary.metrics["official_relative_score"].value == pytest.approx(200, abs=1e-12)


@pytest.mark.parametrize("replies", [["0 5"], ["1 5", "-1 5"], ["1e-9 5"]])
def test_a_reference_mean_of_zero_gives_no_ratio(replies):
    summary = LLAVA_BENCH.summarize(scores_of([[reply] for reply in replies]))
    assert summary.notes["official: all"] == "undefined"
    if sum(float(reply.split()[0]) for reply in replies) == 0:
        assert summary.metrics["relative_score"].value is None


def test_ratings_that_are_no_numbers_make_the_official_figure_undefined():
    summary = LLAVA_BENCH.summarize(scores_of([["8 6"], ["nan 5"], ["8 8"], ["8 inf"]]))
    assert summary.metrics["relative_score"].value == pytest.approx(100 * 14 / 16)
    assert summary.metrics["official_relative_score"].value is None
    assert summary.notes["official: all"].startswith("nan nan")


def test_figures_that_overflow_are_undefined_and_can_be_written_as_json():
    summary = LLAVA_BENCH.summarize(scores_of([["1e308 1e308"], ["-1e308 1e308"]] * 6))
    figures = [*summary.metrics.values(), *(e for g in summary.groups.values() for e in g.values())]
    assert all(e.value is None or math.isfinite(e.value) for e in figures)


def test_the_interval_holds_the_value_and_a_single_image_has_none():
    replies = [[f"{8 + n % 3} {4 + n % 5}"] for n in range(24)]
    several = LLAVA_BENCH.summarize(scores_of(replies, clusters=8)).metrics["relative_score"]
    assert several.low < several.value < several.high
    single = LLAVA_BENCH.summarize(scores_of(replies, clusters=1)).metrics["relative_score"]
    assert (single.value, single.low, single.high) == (several.value, None, None)


SAID = st.one_of(
    st.text(max_size=12),
    st.text(alphabet="0123456789., \n\t-+eE_naif٣８", max_size=8),
    st.builds("{} {}\n{}".format, st.integers(1, 10), st.integers(1, 10), st.text(max_size=3)),
    st.builds("{} {}".format, st.floats(), st.floats()),
)


@given(st.lists(SAID, max_size=4))
def test_no_reply_raises_and_every_value_is_a_fraction(replies):
    score = scores_of([replies])[0]
    assert (score.value is None) == (score.parsed is None)
    assert score.value is None or 0 <= score.value <= 1
    assert len(score.details) == 3 * len(replies)


@given(st.lists(st.lists(SAID, min_size=1, max_size=3), min_size=1, max_size=8), st.randoms())
def test_the_order_of_the_rows_moves_nothing(replies, random):
    scores = scores_of(replies)
    shuffled = random.sample(scores, len(scores))
    assert repr(LLAVA_BENCH.summarize(shuffled)) == repr(LLAVA_BENCH.summarize(scores))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"category": "llava_bench_conv"}, "category is 'llava_bench_conv', must be complex"),
        ({"category": None}, "the category is ''"),
        ({"gpt_answer": " "}, "no reference answer"),
        ({"caption": None}, "caption is None, must be str or list"),
        ({"caption": [1]}, r"caption is \[1\], must be a text or texts"),
    ],
)
def test_rows_that_a_judge_cannot_grade_are_refused(write_jsonl, changes, message):
    with pytest.raises(DataError, match=message):
        read_samples(TASK, str(write_jsonl("rows.jsonl", [row(0, **changes)])))


@pytest.mark.parametrize("number", range(5))
def test_the_request_is_the_question_to_the_character(write_jsonl, number):
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", [row(number)])))
    assert build_request(TASK, data.samples[0]).text == ASKED[number]


def test_a_sample_holds_all_that_the_judge_is_shown(write_jsonl):
    rows = [row(0, caption=["A dog, asleep.", "It snores."])]
    sample = read_samples(TASK, str(write_jsonl("rows.jsonl", rows))).samples[0]
    assert sample.hint == "A dog, asleep.\nIt snores."
    assert sample.references == ("A reference 0.",)
    assert sample.groups == {"category": "complex"}


FOLDER = "playground/data/eval/llava-bench-in-the-wild"


def write_official(write_jsonl, rows):
    """The same rows as LLaVA's folder has them."""
    names = {r["image_id"]: f"{r['image_id']}.jpg" for r in rows}
    captions = {r["image_id"]: r["caption"] for r in rows}
    questions = [
        {
            "image": names[r["image_id"]],
            "text": r["question"],
            "category": r["category"],
            "question_id": int(r["question_id"]),
        }
        for r in rows
    ]
    context = [
        {
            "id": i,
            "image": names[i],
            "caption": text.split("\n") if "\n" in text else text,
        }
        for i, text in captions.items()
    ]
    answers = [
        {
            "question_id": int(r["question_id"]),
            "prompt": r["question"],
            "answer_id": f"a{r['question_id']}",
            "model_id": "gpt-4-0314",
            "metadata": {},
            "text": r["gpt_answer"],
        }
        for r in reversed(rows)
    ]
    for name, lines in (("questions", questions), ("context", context), ("answers_gpt4", answers)):
        path = write_jsonl(f"{FOLDER}/{name}.jsonl", lines)
    return path.parents[4]


def test_the_hub_schema_and_llavas_folder_give_identical_results(write_jsonl):
    rows = [row(number) for number in range(12)]
    official = write_official(write_jsonl, rows)
    hub = write_jsonl("rows.jsonl", rows)
    answers = write_jsonl(
        "answers.jsonl",
        [{"question_id": n, "prompt": rows[n]["question"], "text": "A cat."} for n in range(12)],
    )
    said = [[f"9 {n % 8 + 1}\nwell", "8 5" if n % 5 else "8, 5"] for n in range(12)]
    grades = load_grades(
        write_jsonl("grades.jsonl", [{"id": str(n), "replies": r} for n, r in enumerate(said)])
    )
    results = []
    for source in (hub, official):
        data = read_samples(TASK, str(source))
        predictions = load_predictions(answers, TASK, data)
        results.append(score_predictions(TASK, data, predictions, grades))
    (one, first), (two, second) = results
    assert (first.metrics, first.groups, first.notes) == (
        second.metrics,
        second.groups,
        second.notes,
    )
    assert first.data == second.data
    assert [s.details for s in one] == [s.details for s in two]
    assert first.headline.n == 12
    json.dumps(result_to_json(second), allow_nan=False)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("answers_gpt4", '"question_id": 3', '"question_id": 33', "'33' is none of the 8"),
        ("answers_gpt4", '"question_id": 3', '"question_id": 2', "question_id '2' stands at"),
        ("answers_gpt4", "What is this", "Who is this", "answers 'Who is this"),
        ("context", '"image": "002.jpg"', '"image": "x.jpg"', "image '002.jpg' is not in context"),
        ("context", '"caption"', '"captions"', "no 'caption' here"),
        ("questions", '"question_id": 3', '"question_id": 4', "'3' is none of the 7 questions"),
        ("questions", '"category": "conv"', '"category": 1', "category is 1, must be str"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(write_jsonl, file, old, new, message):
    source = write_official(write_jsonl, [row(number) for number in range(8)])
    path = source / FOLDER / f"{file}.jsonl"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        read_samples(TASK, str(source))


def test_a_question_without_a_reference_answer_is_refused(write_jsonl):
    source = write_official(write_jsonl, [row(number) for number in range(3)])
    path = source / FOLDER / "answers_gpt4.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(DataError, match="question_id '2' is not in answers_gpt4"):
        read_samples(TASK, str(source))


def test_an_answer_without_grades_is_counted_and_keeps_the_result_from_being_complete(write_jsonl):
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", [row(n) for n in range(3)])))
    predictions = {s.id: Prediction(s.id, "A cat.") for s in data.samples}
    _, result = score_predictions(TASK, data, predictions, {"0": ("8 4",), "1": ("?",)})
    assert (result.ungraded, result.unparsed, result.n) == (1, 1, 3)
    assert result.headline.value == 50
    assert not result.complete
