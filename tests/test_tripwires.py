"""The demo must notice when something that matters is broken, and only then."""

import json

import pytest
import torch

from llava_eval.engines import EngineSettings, load_engine
from llava_eval.prompts import build_request
from llava_eval.samples import read_samples
from tests.breaks import (
    BREAKS,
    POPE,
    accuracy,
    agreement,
    answers,
    first_logits,
    shuffled_images,
    sixteen_logits,
)
from tests.conftest import GOLDEN, golden

pytestmark = pytest.mark.slow

# What each break leaves at most: (accuracy, share of unchanged answers), both in percent.
AT_MOST = {
    "padding on the right": (85, 80),
    "ChatML template": (55, 5),
    "no system text (the Hub's chat template)": (55, 5),
    '"curious human" in the system text': (55, 5),
    "space after ASSISTANT:": (70, 20),
    "no newline after the image": (100, 100),  # seen by the logits alone
    "image after the text": (60, 10),
    "double BOS": (55, 5),
    "blank image": (55, 60),
    "centre crop instead of padding": (75, 75),
    "channels swapped": (85, 85),
    "image mirrored": (80, 80),
    "last vision layer": (94, 97),
    "vision layer before": (93, 95),
    "class token kept": (None, 0),
}


@pytest.fixture(scope="module")
def data():
    return read_samples(POPE, "mini")


@pytest.fixture(scope="module")
def engine():
    return load_engine(EngineSettings("demo"))


@pytest.fixture(scope="module")
def whole(engine, data):
    return answers(engine, data)


def test_the_demo_answers_digits_it_has_never_seen(data, whole):
    assert accuracy(data, whole) > 93


def test_its_answers_are_the_recorded_ones_word_for_word(whole):
    recorded = {row["id"]: row["text"] for row in golden("demo_pope")}
    assert {key: prediction.text for key, prediction in whole.items()} == recorded


def test_its_first_logits_are_the_recorded_ones(engine, data):
    recorded = json.loads((GOLDEN / "demo_logits.json").read_text())
    samples = {sample.id: sample for sample in data.samples}
    for sample_id, logits in recorded.items():  # every fourth of the vocabulary
        found = first_logits(engine, build_request(POPE, samples[sample_id]))[::4]
        # Batch size, attention and processors move a logit by 1e-5, every break by 0.9 or more.
        assert torch.allclose(found, torch.tensor(logits), atol=1e-3, rtol=0)


@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_answers_do_not_depend_on_the_batch_size(engine, data, whole, batch_size):
    engine.settings = EngineSettings("demo", batch_size=batch_size)
    assert answers(engine, data) == whole


@pytest.mark.parametrize("name", AT_MOST)
def test_a_break_shows_in_score_and_answers(engine, data, whole, name):
    engine.settings = EngineSettings("demo")
    with BREAKS[name](engine):
        found = answers(engine, data)
    most_right, most_same = AT_MOST[name]
    assert agreement(found, whole) <= most_same
    right = accuracy(data, found)
    assert (right is None) if most_right is None else (right <= most_right)


SEEN_IN_LOGITS = set(AT_MOST) - {"padding on the right", "class token kept"}


@pytest.mark.parametrize("name", sorted(SEEN_IN_LOGITS))
def test_a_break_shows_in_the_first_logits(engine, data, name):
    whole = sixteen_logits(engine, data)
    with BREAKS[name](engine):
        assert (sixteen_logits(engine, data) - whole).abs().max() > 0.5


def test_every_break_is_tried():
    assert set(AT_MOST) == set(BREAKS) - {"nothing"}


def test_pictures_of_other_questions_leave_chance(engine, data, whole):
    assert accuracy(data, answers(engine, shuffled_images(data))) < 60
