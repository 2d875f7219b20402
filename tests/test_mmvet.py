import json
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llava_eval.answers.ratings import mmvet_correctness, mmvet_runs
from llava_eval.errors import DataError, PredictionsError
from llava_eval.predictions import load_grades, load_predictions
from llava_eval.prompts import build_request
from llava_eval.records import Estimate, Prediction, Sample
from llava_eval.samples import read_samples
from llava_eval.scorers.base import score_sample
from llava_eval.scorers.rubric import MMVET
from llava_eval.scoring import score_predictions
from llava_eval.submissions import SUBMISSIONS
from llava_eval.task import load_task
from tests.conftest import golden

TASK = load_task("mmvet")
ABILITIES = ("rec", "rec,know,gen", "ocr,math", "math,ocr,spat", "ocr,spat,math", "ocr")
ASKED = (
    "What is x in the equation?",
    "What is to the left of the laptop? ",
    "Summarise the table.\n\nYou should write at least 150 words.",
    "写了什么？",
    "What does {hint} mean | here?\tNone",
)


def row(number, **changes):
    """A row in the schema of lmms-lab/MMVet."""
    content = {
        "question_id": f"v1_{number}",
        "question": ASKED[number % 5],
        "answer": "-1 <AND> -5" if number % 2 else "A dog<OR>a cat",
        "image_source": "made for the tests",
        "capability": ABILITIES[number % 6],
    }
    return content | changes


def scores_of(replies, integrations=("rec",)):
    """Scores of questions in order; each item holds the replies about one answer."""
    scores = []
    for number, said in enumerate(replies):
        sample = Sample(
            f"v1_{number}",
            "?",
            references=("-1 <AND> -5",),
            groups={"integration": integrations[number % len(integrations)]},
            cluster=f"v1_{number}",
        )
        scores.append(score_sample(MMVET, sample, Prediction(sample.id, "x"), tuple(said)))
    return scores


@pytest.mark.parametrize("vector", golden("mmvet"), ids=lambda vector: repr(vector["reply"]))
def test_every_golden_reply_is_read_as_the_evaluator_reads_it(vector):
    assert mmvet_correctness(vector["reply"]) == vector["correctness"]


@pytest.mark.parametrize(
    ("reply", "correctness"),
    [
        ("0", 0),
        ("1", 1),
        ("0.1", 0.1),
        (".5", 0.5),
        ("1.", 1),
        ("0.75", 0.75),
        ("0.5 ", 0.5),
        ("0.5\n", 0.5),
        ("\n0.5", 0.5),
        ("0.5\r\n", 0.5),
        ("\t0.5", 0.5),
        ("0.5 (partly)", 0.5),
        ("0.5 | 1.0", 0.5),
        ("0.5 1.0 0.0", 0.5),
        ("+0.5", 0.5),
        ("-0.0", 0),
        ("-0", 0),
        ("00.5", 0.5),
        ("5e-1", 0.5),
        ("1E0", 1),
        ("１", 1),  # a full-width digit is a digit
        ("٠", 0),
        ("0_1", 1),
        ("0.5\u00a0", 0.5),
        ("0.5\u3000 well", 0.5),
        ("1.0000000000000000001", 1),  # rounds to 1
        ("1e-400", 0),
        ("", None),
        (" ", None),
        (" 0.5", None),
        ("0.5.", None),
        ("0.5,", None),
        ("0,5", None),
        ("0.5\nbecause", None),
        ("0.5\tbecause", None),
        ("0.5/1.0", None),
        ("1/2", None),
        ("50%", None),
        ("50", None),
        ("1.1", None),
        ("1.0001", None),
        ("-0.1", None),
        ("2", None),
        ("10", None),
        ("1e1", None),
        ("inf", None),
        ("-inf", None),
        ("nan", None),
        ("NaN", None),
        ("None", None),
        ("NA", None),
        ("N/A", None),
        ("Score: 0.5", None),
        ("Correctness: 1.0", None),
        ("| 0.5", None),
        ("**0.5**", None),
        ('"0.5"', None),
        ("`1.0`", None),
        ("[0.5]", None),
        ("zero", None),
        ("one", None),
        ("half", None),
        ("零", None),
        ("0。5", None),
        ("０．５", None),  # the full-width stop is no decimal point
        ("½", None),
        ("True", None),
        ("The prediction", None),
        ("Based on", None),
        ("I'm sorry", None),
        ("x = -1", None),
        ("0x1", None),
        ("\ufeff1.0", None),
        ("✓", None),
    ],
)
def test_only_a_number_between_0_and_1_before_the_first_space_is_read(reply, correctness):
    assert mmvet_correctness(reply) == correctness


@pytest.mark.parametrize(
    ("replies", "scores", "tries"),
    [
        ([], (), 0),
        (["0.5"], (0.5,), 0),
        (["0.5", "1"], (0.5, 1), 0),
        (["bad", "0.5"], (0.5,), 0),
        (["bad"] * 4, (), 4),
        (["bad"] * 4 + ["0.5"], (0.5,), 0),
        (["bad"] * 5, (None,), 0),
        (["bad"] * 5 + ["0.5"], (None, 0.5), 0),
        (["bad"] * 9 + ["0.5"], (None, 0.5), 0),
        (["bad"] * 10, (None, None), 0),
        (["0.2", "bad", "0.4", "bad", "bad"], (0.2, 0.4), 2),
        (["0.2", *["bad"] * 5, "0.4"], (0.2, None, 0.4), 0),
    ],
)
def test_unreadable_replies_are_tries_of_the_run_that_they_stand_in(replies, scores, tries):
    assert mmvet_runs(replies) == (scores, tries)


@pytest.mark.parametrize(
    ("replies", "value", "parsed", "status", "details"),
    [
        ([], None, None, "ungraded", ()),
        (["bad"] * 4, None, None, "ungraded", ()),
        (["bad"] * 5, None, None, "unparsed", (-1,)),
        (["bad"] * 4 + ["0.3"], 0.3, "0.3", "scored", (0.3,)),
        (["0.5", "1.0"], 0.75, "0.5; 1", "scored", (0.5, 1)),
        (["bad"] * 5 + ["0.5"], 0.5, "0.5", "scored", (-1, 0.5)),
        (["0.5", "bad"], 0.5, "0.5", "scored", (0.5,)),
    ],
)
def test_a_run_of_five_unreadable_replies_is_unscored_and_never_a_zero(
    replies, value, parsed, status, details
):
    score = scores_of([replies])[0]
    assert (score.value, score.parsed, score.status) == (value, parsed, status)
    assert score.details == details


def test_the_official_score_counts_an_unreadable_run_as_zero():
    metrics = MMVET.summarize(scores_of([["0.6"], ["bad"] * 5, ["0.2"]])).metrics
    assert metrics["score"].value == pytest.approx(40, abs=1e-12)
    assert metrics["official_score"].value == pytest.approx(80 / 3, abs=1e-12)
    assert (metrics["score"].n, metrics["official_score"].n) == (2, 3)


def test_a_judge_of_whom_nothing_can_be_read_gives_no_score():
    metrics = MMVET.summarize(scores_of([["bad"] * 5])).metrics
    assert metrics["score"] == Estimate(None, None, None, 0)
    assert metrics["official_score"].value == 0


def test_a_question_counts_for_each_of_its_capabilities():
    scores = scores_of([["1.0"], ["0.4"], ["0.1"]], ("know, rec", "rec", "gen, know, rec"))
    groups = {name: group["score"].value for name, group in MMVET.summarize(scores).groups.items()}
    assert groups == pytest.approx(
        {
            "rec": 50,
            "know": 55,
            "gen": 10,
            "integration: gen, know, rec": 10,
            "integration: know, rec": 100,
            "integration: rec": 40,
        },
        abs=1e-12,
    )


def test_the_spread_over_runs_is_the_standard_deviation_of_their_totals():
    summary = MMVET.summarize(scores_of([["0.1", "0.3", "0.2"], ["0.5", "0.5", "0.9"]]))
    totals = [30, 40, 55]
    assert summary.metrics["run_std"].value == pytest.approx(statistics.pstdev(totals), abs=1e-12)
    assert summary.metrics["score"].value == pytest.approx(125 / 3, abs=1e-12)
    assert summary.notes["official"] == (
        "rec 41.7; integration: rec 41.7; total 41.7, std 10.3, runs 30.0, 40.0, 55.0"
    )


def test_a_single_run_has_no_spread_where_the_evaluator_prints_zero():
    summary = MMVET.summarize(scores_of([["0.1"], ["0.5"]]))
    assert summary.metrics["run_std"].value is None
    assert "total 30.0, std 0.0, runs 30.0" in summary.notes["official"]


def test_a_judge_that_was_stopped_in_its_second_run_moves_no_first_run():
    summary = MMVET.summarize(scores_of([["0.2", "0.4"], ["0.6", "bad"]]))
    assert summary.metrics["score"].value == pytest.approx(45, abs=1e-12)
    assert summary.notes["official"].endswith("runs 40.0, 40.0")


def test_a_rounding_on_the_edge_follows_the_evaluators_order_of_adding():
    # (0.1 + 0.4) + 0.9 is 1.4, and 1.4 / 80 * 100 just below 1.75; the exact sum is above it.
    said = [["0.1"], ["0.4"], ["0.9"]] + [["0.0"]] * 77
    summary = MMVET.summarize(scores_of(said, ("gen",))[::-1])
    assert summary.notes["official"].startswith("gen 1.7;")


def test_the_interval_holds_the_value():
    score = MMVET.summarize(scores_of([[str(n % 11 / 10)] for n in range(40)])).metrics["score"]
    assert score.low < score.value < score.high


SAID = st.one_of(
    st.text(max_size=8),
    st.text(alphabet="01., \n\t-+e_naif٣", max_size=5),
    st.sampled_from([f"{n / 10}" for n in range(11)]),
    st.floats().map(str),
)


@given(st.lists(SAID, max_size=14))
def test_no_reply_raises_and_every_value_is_a_fraction(replies):
    score = scores_of([replies])[0]
    assert (score.value is None) == (score.parsed is None)
    assert score.value is None or 0 <= score.value <= 1
    assert (score.status == "ungraded") == (not score.details)


@given(
    st.lists(st.lists(SAID, min_size=5, max_size=12), min_size=1, max_size=8),
    st.randoms(),
)
def test_the_order_of_the_rows_moves_nothing(replies, random):
    scores = scores_of(replies, ("rec", "math, ocr", "ocr"))
    shuffled = random.sample(scores, len(scores))
    assert MMVET.summarize(shuffled) == MMVET.summarize(scores)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"capability": ""}, "the capability is ''"),
        ({"capability": "rec,sound"}, "the capability is 'sound', must be rec or ocr"),
        ({"capability": ["rec"]}, r"capability is \['rec'\], must be str"),
        ({"answer": ""}, "no reference answer"),
        ({"question_id": "v2_0"}, "question_id is 'v2_0', must be like v1_0"),
        ({"question_id": None}, "question_id is None"),
    ],
)
def test_rows_that_a_judge_cannot_grade_are_refused(write_jsonl, changes, message):
    with pytest.raises(DataError, match=message):
        read_samples(TASK, str(write_jsonl("rows.jsonl", [row(0, **changes)])))


@pytest.mark.parametrize("number", range(5))
def test_the_request_is_the_question_to_the_character(write_jsonl, number):
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", [row(number)])))
    assert build_request(TASK, data.samples[0]).text == ASKED[number]


def test_capabilities_are_named_in_one_order_whatever_the_rows_say(write_jsonl):
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", [row(3), row(4), row(5)])))
    names = [sample.groups["integration"] for sample in data.samples]
    assert names == ["math, ocr, spat", "math, ocr, spat", "ocr"]


def test_questions_about_one_image_are_one_cluster_though_the_hub_does_not_say_so(write_jsonl):
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", [row(n) for n in range(218)])))
    clusters = {sample.id: sample.cluster for sample in data.samples}
    assert len(set(clusters.values())) == 200
    assert clusters["v1_2"] == clusters["v1_1"] == "v1_1"
    assert (data.version, data.known) == ("v1, 218 questions on 200 images", True)


FOLDER = "playground/data/eval/mm-vet"


def write_official(write_jsonl, rows):
    """The same rows as LLaVA's folder has them."""
    questions, table = [], {}
    for r in rows:
        number = int(r["question_id"].removeprefix("v1_"))
        image = f"v1_{number - (number in (2, 4, 6, 10, 12))}.png"
        questions.append(
            {"image": image, "text": r["question"], "category": "conv", "question_id": number}
        )
        table[r["question_id"]] = {
            "imagename": image,
            "imagesource": r["image_source"],
            "question": r["question"].strip(),
            "answer": r["answer"],
            "capability": r["capability"].split(","),
        }
    path = write_jsonl(f"{FOLDER}/llava-mm-vet.jsonl", questions)
    path.with_name("mm-vet.json").write_text(json.dumps(table, indent=4), encoding="utf-8")
    return path.parents[4]


@pytest.fixture
def rows():
    return [row(number) for number in range(13)]


def test_the_hub_schema_and_llavas_folder_give_identical_results(write_jsonl, rows):
    sources = (write_jsonl("rows.jsonl", rows), write_official(write_jsonl, rows))
    lines = [{"question_id": n, "prompt": r["question"], "text": "5"} for n, r in enumerate(rows)]
    answers = write_jsonl("answers.jsonl", lines)
    said = {f"v1_{n}": [f"{n % 11 / 10}", "bad", "0.5"] for n in range(12)} | {"v1_12": ["?"] * 5}
    grades = load_grades(
        write_jsonl("grades.jsonl", [{"id": i, "replies": r} for i, r in said.items()])
    )
    results = []
    for source in sources:
        data = read_samples(TASK, str(source))
        predictions = load_predictions(answers, TASK, data)
        results.append(score_predictions(TASK, data, predictions, grades)[1])
    hub, official = results
    assert (hub.metrics, hub.groups, hub.notes) == (
        official.metrics,
        official.groups,
        official.notes,
    )
    assert hub.data == official.data
    assert (hub.unparsed, hub.headline.n, hub.metrics["official_score"].n) == (1, 12, 13)


def test_a_result_file_is_read_like_the_answers_that_it_was_made_from(write_jsonl, tmp_path, rows):
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", rows)))
    lines = [{"question_id": n, "prompt": "?", "text": f"{n}\n"} for n in range(13)]
    answers = load_predictions(write_jsonl("answers.jsonl", lines), TASK, data)
    (path,) = SUBMISSIONS["mmvet"].write(data, answers, tmp_path)
    assert load_predictions(path, TASK, data) == answers


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"v1_0": "a", "v1_0": "b"}', "id 'v1_0' is answered a second time"),
        ('{"v1_0": 5}', "the answer to 'v1_0' is no text"),
        ('{"v1_0": {"text": "a"}}', "the answer to 'v1_0' is no text"),
        ('["v1_0"]', "must be an object"),
        ('{"v1_0": "a"', "not valid JSON"),
    ],
)
def test_a_result_file_of_another_form_is_refused(write_jsonl, tmp_path, rows, content, message):
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", rows)))
    (tmp_path / "result.json").write_text(content)
    with pytest.raises((PredictionsError, DataError), match=message):
        load_predictions(tmp_path / "result.json", TASK, data)


@pytest.mark.parametrize("line", ['{"id": "v1_0", "text": "a"}', '{"question_id": 0, "text": "a"}'])
def test_a_single_line_in_a_json_file_is_a_line(write_jsonl, tmp_path, rows, line):
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", rows)))
    (tmp_path / "answers.json").write_text(line)
    assert load_predictions(tmp_path / "answers.json", TASK, data) == {
        "v1_0": Prediction("v1_0", "a")
    }


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("mm-vet.json", '"v1_7"', '"v1_77"', "v1_7 is not in mm-vet.json"),
        ("llava-mm-vet.jsonl", '"question_id": 12', '"question_id": 11', "v1_11 as .* v1_11.png"),
        ("mm-vet.json", "v1_8.png", "v1_9.png", "v1_8 as .* on v1_9.png"),
        ("mm-vet.json", "What is x", "What is y", "mm-vet.json has v1_0 as 'What is y"),
        ("mm-vet.json", '"rec"', "7", "capability is .*, must be a list of texts"),
        ("mm-vet.json", "{", "[", "mm-vet.json:2: not valid JSON"),
        ("mm-vet.json", '"answer"', '"anser"', "no 'answer' here"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(write_jsonl, rows, file, old, new, message):
    source = write_official(write_jsonl, rows)
    path = source / FOLDER / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        read_samples(TASK, str(source))


def test_a_question_that_is_left_out_is_missed(write_jsonl, rows):
    source = write_official(write_jsonl, rows)
    path = source / FOLDER / "llava-mm-vet.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(DataError, match=r"v1_12 is not asked in llava-mm-vet.jsonl \(12 lines\)"):
        read_samples(TASK, str(source))


@pytest.mark.parametrize(
    ("content", "message"), [("[]", "an object keyed by"), ('{"v1_0": 1}', "v1_0: 1 must")]
)
def test_a_table_of_another_form_is_refused(write_jsonl, rows, content, message):
    source = write_official(write_jsonl, rows)
    (source / FOLDER / "mm-vet.json").write_text(content)
    with pytest.raises(DataError, match=message):
        read_samples(TASK, str(source))


def test_the_submission_is_the_file_that_llavas_converter_writes(write_jsonl, tmp_path, rows):
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", rows[::-1])))
    predictions = {s.id: Prediction(s.id, f"它是\t{s.id}\n") for s in data.samples}
    (path,) = SUBMISSIONS["mmvet"].write(data, predictions, tmp_path)
    expected = {f"v1_{n}": f"它是\tv1_{n}\n" for n in range(13)}
    assert path.read_text(encoding="ascii") == json.dumps(expected, indent=2)


def test_a_submission_with_a_missing_or_failed_answer_is_refused(write_jsonl, tmp_path, rows):
    data = read_samples(TASK, str(write_jsonl("rows.jsonl", rows)))
    predictions = {s.id: Prediction(s.id, "") for s in data.samples}
    predictions["v1_9"] = Prediction("v1_9", "", "error", "no image")
    del predictions["v1_10"]
    with pytest.raises(PredictionsError, match="2 of 13 rows have no answer, 'v1_9' first"):
        SUBMISSIONS["mmvet"].write(data, predictions, tmp_path)
