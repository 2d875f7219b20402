import dataclasses
import json

import pytest

from llava_eval.digests import digest_of
from llava_eval.engines.replay import ReplayEngine
from llava_eval.identity import (
    differences,
    identity_of,
    identity_of_card,
    identity_of_run,
    recorded_of_run,
)
from llava_eval.records import Prediction
from llava_eval.runner import Nobody, run_task
from llava_eval.samples import draw, read_samples
from llava_eval.scoring import score_predictions
from llava_eval.task import load_task

TEXTVQA, POPE = load_task("textvqa"), load_task("pope")
OURS = dataclasses.replace(identity_of_card(TEXTVQA, "0.5.1 val"), data="abc", n=5000)


def changed(**fields):
    """Our identity with other fields, and the protocol digest that they give."""
    other = dataclasses.replace(OURS, **fields)
    names = ("prompt", "max_new_tokens", "scorer", "scorer_version", "primary")
    return dataclasses.replace(
        other, protocol=digest_of({name: getattr(other, name) for name in names})
    )


def prompt(*lines, question="capitalize"):
    return {"lines": list(lines), "question": question}


LINES = TEXTVQA.prompt.lines


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, []),
        ({"prompt": prompt(LINES[0], LINES[2])}, ["no OCR line"]),
        ({"prompt": prompt(*LINES[:2])}, ["no short-answer instruction"]),
        (
            {"prompt": prompt(*LINES[:2], "Be brief.")},
            ["no short-answer instruction", 'with line "Be brief."'],
        ),
        ({"prompt": prompt(*reversed(LINES))}, ["prompt lines in another order"]),
        (
            {"prompt": prompt(*LINES, question="as_is")},
            ["question as_is instead of capitalize"],
        ),
        ({"max_new_tokens": 16}, ["at most 16 new tokens instead of 128"]),
        ({"scorer": "vqav2"}, ["scorer vqav2 instead of textvqa"]),
        ({"scorer_version": 2}, ["scorer version 2 and 1"]),
        ({"primary": "anls"}, ["primary anls instead of accuracy"]),
        ({"dialect": "lmms-eval"}, ["dialect lmms-eval instead of llava"]),
        ({"judge": "gpt-4"}, ["judge gpt-4 instead of none"]),
        ({"data": "xyz"}, ["other rows (data xyz instead of abc)"]),
        ({"data": "xyz", "version": "0.5.1 test"}, ["0.5.1 test"]),
        ({"data": "xyz", "version": "mini", "n": 71}, ["mini split"]),
        ({"data": "xyz", "version": "unknown", "known": False, "n": 7}, ["7 rows of no known ver"]),
        ({"data": "xyz", "drawn": True, "n": 300}, ["a draw of 300 samples"]),
        ({"unanswered": ("3 of 5,000 missing",)}, ["incomplete: 3 of 5,000 missing"]),
        (
            {"max_new_tokens": 16, "dialect": "vlmevalkit"},
            ["at most 16 new tokens instead of 128", "dialect vlmevalkit instead of llava"],
        ),
    ],
)
def test_a_difference_is_said_in_plain_words(fields, words):
    found = [difference.words for difference in differences(changed(**fields), OURS)]
    assert len(found) == len(words)
    assert all(said.startswith(wanted) for said, wanted in zip(found, words, strict=True))


def test_every_field_that_differs_gives_another_key():
    other = {"protocol": "p", "dialect": "d", "judge": "j", "data": "x", "unanswered": ("1",)}
    keys = {dataclasses.replace(OURS, **{name: value}).key for name, value in other.items()}
    assert len(keys | {OURS.key}) == 6


def test_a_complete_number_held_against_an_incomplete_one_says_so():
    incomplete = changed(unanswered=("3 of 5,000 missing",))
    assert [d.words for d in differences(OURS, incomplete)] == [
        "complete, the other is not: 3 of 5,000 missing"
    ]


def test_the_other_file_of_pope_is_named_in_the_cards_words():
    ours, other = (identity_of_card(POPE, version) for version in POPE.versions.values())
    assert [d.words for d in differences(other, ours)] == [
        "3,000-line random file (October 2023 and later)"
    ]


def test_what_is_not_known_of_a_published_row_differs_from_nothing():
    published = dataclasses.replace(identity_of_card(TEXTVQA), data="", version="")
    assert differences(OURS, published) == []


def test_a_draw_is_told_from_a_published_row_whose_rows_are_not_known():
    drawn = changed(drawn=True, data="xyz", n=300)
    assert [d.words for d in differences(drawn, identity_of_card(TEXTVQA))] == [
        "a draw of 300 samples"
    ]


@pytest.fixture
def data(write_jsonl, pope_rows):
    return read_samples(POPE, str(write_jsonl("rows.jsonl", pope_rows)))


def answers(data):
    return {s.id: Prediction(s.id, s.references[0].capitalize()) for s in data.samples}


def test_a_run_folder_has_the_identity_of_its_result(tmp_path, data):
    engine = ReplayEngine(answers(data), "answers", "digest")
    result = run_task(POPE, data, engine, "replay", tmp_path / "run", False, Nobody())
    identity = identity_of_run(tmp_path / "run")
    assert identity == identity_of(result)
    assert (identity.protocol, identity.scorer, identity.dialect) == (
        POPE.protocol,
        "pope",
        "llava",
    )
    assert (identity.data, identity.n, identity.known) == (data.digest, 12, False)


def test_what_is_recorded_beside_the_identity_is_read_from_the_run(tmp_path, data):
    engine = ReplayEngine(answers(data), "answers", "digest")
    run_task(POPE, data, engine, "replay", tmp_path / "run", False, Nobody())
    found = recorded_of_run(tmp_path / "run")
    assert (found["model"], found["weights"], found["engine"]) == ("answers", "digest", "replay")
    assert {"llava_eval", "system"} <= found.keys()


def test_the_prompt_is_sealed_in_words_and_not_only_as_a_digest(tmp_path, data):
    engine = ReplayEngine(answers(data), "answers", "digest")
    run_task(POPE, data, engine, "replay", tmp_path / "run", False, Nobody())
    sealed = json.loads((tmp_path / "run" / "run.json").read_text())["identity"]
    assert (sealed["prompt"]["lines"], sealed["max_new_tokens"]) == (POPE.prompt.lines, 128)


def test_rows_without_an_answer_and_a_draw_are_part_of_the_identity(data):
    part = draw(data, 6)
    some = dict(list(answers(part).items())[1:])
    identity = identity_of(score_predictions(POPE, part, some)[1])
    assert identity.drawn
    assert identity.unanswered == (f"1 of {len(part.samples)} missing",)
