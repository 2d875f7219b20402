"""The rules that VQAv2, TextVQA and VizWiz are made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llava_eval.answers.vqa import (
    leave_one_out,
    m4c_accuracy,
    m4c_answer,
    vizwiz_answer,
    vqa_accuracy,
    vqa_answer,
    without_leave_one_out,
)
from llava_eval.answers.vqa_tables import CONTRACTIONS, PUNCTUATION, VIZWIZ_CONTRACTIONS
from llava_eval.bench.plain_vqa import plain_vqa_accuracy, plain_vqa_answer, records
from tests.conftest import golden

RULES = [vqa_answer, m4c_answer, vizwiz_answer]
# Everything that a branch of the rules looks at, so that short random texts meet it.
PIECES = st.sampled_from(
    [
        *PUNCTUATION,
        *" .\n\t':%’。，é红\u00a0٣1",
        "10",
        "3.5",
        "1,000",
        "a",
        "The",
        "None",
        "two",
        "dont",
        "'s",
        "Im",
    ]
)
TEXTS = st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=20)
ANNOTATORS = st.lists(st.sampled_from(["cat", "Cat", "two", "2", "", "the cat"]) | TEXTS)
TEN = st.lists(st.sampled_from(["cat", "Cat", "two"]) | TEXTS, min_size=10, max_size=10)


@pytest.mark.parametrize("row", golden("vqa_answers"), ids=lambda row: repr(row["text"]))
def test_an_answer_is_normalised_as_both_published_tools_do(row):
    assert (vqa_answer(row["text"]), m4c_answer(row["text"])) == (row["vqa"], row["m4c"])


@pytest.mark.parametrize("row", golden("vqav2"))
def test_vqav2_scores_every_golden_answer_as_the_official_tool_does(row):
    assert 100 * vqa_accuracy(row["text"], row["references"]) == row["accuracy"]


@pytest.mark.parametrize("row", golden("textvqa"))
def test_textvqa_scores_every_golden_answer_as_llavas_script_does(row):
    assert 100 * m4c_accuracy(row["text"], row["references"]) == row["accuracy"]


@pytest.mark.parametrize("row", golden("vizwiz"))
def test_vizwiz_scores_every_golden_answer_as_its_first_public_release_does(row):
    value = without_leave_one_out(vizwiz_answer(row["text"]), row["references"])
    assert round(100 * value, 2) == row["accuracy"]


@pytest.mark.parametrize(
    ("matches", "value"), [(0, 0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1), (9, 1), (10, 1)]
)
def test_ten_annotators_give_tenths(matches, value):
    assert leave_one_out("x", ["x"] * matches + ["y"] * (10 - matches)) == value


@pytest.mark.parametrize(
    ("references", "value"),
    [(["x"], 0), (["x", "x"], 1 / 3), (["x", "x", "y"], 4 / 9), (["x"] * 4, 1)],
)
def test_other_numbers_of_annotators_follow_the_same_rule(references, value):
    assert leave_one_out("x", references) == value


def test_both_tables_have_all_contractions():
    assert (len(CONTRACTIONS), len(VIZWIZ_CONTRACTIONS)) == (120, 120)


@pytest.mark.parametrize(
    ("word", "vqa", "vizwiz"),
    [
        ("dont", "don't", "don’t"),
        ("arent", "aren't", "aren't"),
        ("whove", "who've", "who've"),
        ("couldn'tve", "couldn't've", "couldn’t’ve"),
        ("couldnt've", "couldn't've", "couldnt've"),
        ("couldnt’ve", "couldnt’ve", "couldn’t’ve"),
        ("somebody'd", "somebodyd", "somebody'd"),
        ("somebody’d", "somebody’d", "somebodyd"),
        ("ow's'at", "'ow's'at", "ow's'at"),
        ("Ive", "ive", "ive"),
    ],
)
def test_vizwiz_has_contractions_of_its_own(word, vqa, vizwiz):
    assert (vqa_answer(word), vizwiz_answer(word)) == (vqa, vizwiz)


@pytest.mark.parametrize("rule", RULES)
def test_only_the_first_32_full_stops_go(rule):
    assert rule("." * 33 + "x") == ".x"


@given(TEXTS, ANNOTATORS.filter(bool))
def test_the_fast_rule_equals_the_written_one(text, references):
    plain = plain_vqa_accuracy(text, records(references))
    assert vqa_accuracy(text, references) == pytest.approx(plain, abs=1e-12)


@given(TEXTS)
def test_the_fast_normal_form_equals_the_written_one(text):
    assert vqa_answer(text) == plain_vqa_answer(text)


@given(TEXTS, TEN)
def test_every_rule_gives_a_fraction(text, references):
    for rule in (vqa_accuracy, m4c_accuracy, leave_one_out, without_leave_one_out):
        assert 0 <= rule(text, references) <= 1


@given(TEXTS, TEN, st.randoms())
def test_the_order_of_the_annotators_moves_nothing(text, references, rng):
    shuffled = rng.sample(references, 10)
    assert vqa_accuracy(text, shuffled) == vqa_accuracy(text, references)
    assert m4c_accuracy(text, shuffled) == m4c_accuracy(text, references)


@given(TEXTS)
def test_no_rule_leaves_white_space_around_or_twice(text):
    for rule in RULES:
        assert rule(text) == " ".join(rule(text).split())


@given(TEXTS)
def test_what_everybody_wrote_is_right_as_it_stands(text):
    assert vqa_accuracy(text, [text] * 10) == m4c_accuracy(text, [text] * 10) == 1
