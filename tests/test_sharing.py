"""Sharing an image's prefix changes no token: the reference is plain `generate`, one by one."""

import dataclasses

import pytest
import torch

from llava_eval.batching import plan_slots
from llava_eval.engines import EngineSettings, load_engine
from llava_eval.engines import sharing as sharing_module
from llava_eval.engines.grouping import group_by_image, image_digests
from llava_eval.engines.memory import bytes_per_token
from llava_eval.engines.sharing import split_at_prefix
from llava_eval.records import Request
from tests.test_hf import picture
from tests.tiny import make_checkpoint

# Questions per image; the third "image" is none: questions without a picture.
SHAPES = {"many": (18, 3, 4), "few": (2, 1, 3), "one": (1, 1, 1), "mixed": (1, 9, 0, 5, 2)}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("sharing"))


@pytest.fixture(scope="module", params=["sdpa", "eager"])
def engine(tiny, request):
    return load_engine(EngineSettings(str(tiny), attention=request.param))


def requests(shape, max_new_tokens):
    """Questions of many lengths, some of them asked twice, image by image in turn."""
    asked = [
        (image, number % 7) for image, count in enumerate(SHAPES[shape]) for number in range(count)
    ]
    asked.sort(key=lambda pair: pair[1])  # questions about one image do not stand together
    return [
        Request(
            str(place),
            "Is it " + "really " * (3 * number % 8) + f"number {number} of {image}?",
            () if image == 2 else (picture(image, (40 + 9 * image, 50)),),
            max_new_tokens,
        )
        for place, (image, number) in enumerate(asked)
    ]


def one_by_one(engine, asked):
    """What transformers' own generate gives, batch 1: text and number of new tokens."""
    found = {}
    for request in asked:
        encoded = engine.encode(request)
        inputs = {} if encoded.pixels is None else {"pixel_values": encoded.pixels}
        output = engine.model.generate(
            input_ids=torch.tensor([encoded.ids]), max_new_tokens=request.max_new_tokens, **inputs
        )
        new = output[0, len(encoded.ids) :].tolist()
        text = engine.tokenizer.decode(new, skip_special_tokens=True).strip()
        found[request.id] = (text, len(new), len(encoded.ids))
    return found


def shared(engine, asked, **settings):
    engine.settings = EngineSettings(engine.checkpoint.name, **settings)
    return {
        p.id: (p.text, p.new_tokens, p.prompt_tokens)
        for batch in engine.generate(asked)
        for p in batch
    }


@pytest.mark.parametrize("max_new_tokens", [1, 3, 40])
@pytest.mark.parametrize("shape", SHAPES)
def test_tokens_equal_plain_generate(engine, shape, max_new_tokens):
    asked = requests(shape, max_new_tokens)
    assert shared(engine, asked) == one_by_one(engine, asked)


@pytest.mark.parametrize("packed", [1, 60, 10_000])
def test_tokens_do_not_depend_on_how_many_questions_are_packed(engine, packed, monkeypatch):
    asked = requests("mixed", 6)
    whole = shared(engine, asked)
    monkeypatch.setattr(sharing_module, "MOST_PACKED", packed)
    assert shared(engine, asked) == whole


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_tokens_do_not_depend_on_batch_size_or_order(engine, batch_size):
    asked = requests("mixed", 6)
    assert shared(engine, asked[::-1], batch_size=batch_size) == shared(engine, asked)


def test_little_memory_makes_smaller_batches_and_the_same_tokens(engine):
    asked = requests("mixed", 6)
    gib = 600 * bytes_per_token(engine.model) / 2**30
    assert shared(engine, asked, memory=gib) == shared(engine, asked)


def test_a_question_that_is_asked_twice_is_answered_once(engine, monkeypatch):
    asked = requests("many", 4)
    twice = asked + [dataclasses.replace(r, id=f"again {r.id}") for r in asked]
    widths = []
    whole = engine.model.lm_head.forward
    monkeypatch.setattr(
        engine.model.lm_head, "forward", lambda x: widths.append(len(x)) or whole(x)
    )
    once = shared(engine, asked)
    rows_once = sum(widths)
    both = shared(engine, twice)
    assert sum(widths) == 2 * rows_once
    assert {key: both[f"again {key}"] for key in once} == once


def test_pictures_are_told_apart_by_content_and_not_by_name(engine):
    asked = [
        Request("a", "What?", (picture(1, name="same.png"),), 4),
        Request("b", "What?", (picture(2, name="same.png"),), 4),
        Request("c", "What?", (picture(1, name="other.png"),), 4),
    ]
    works, _ = group_by_image(asked, engine._ids(asked), image_digests(asked))
    assert [[r.id for r in work.requests] for work in works] == [["a", "c"], ["b"]]


def test_a_template_with_the_image_behind_the_question_is_answered_too(engine, monkeypatch):
    family = dataclasses.replace(engine.family, with_image="USER: {text} <image> ASSISTANT:")
    monkeypatch.setattr(engine, "family", family)
    asked = requests("few", 4)
    assert shared(engine, asked) == one_by_one(engine, asked)


def test_an_unreadable_picture_fails_its_own_questions(engine):
    asked = requests("few", 4)
    broken = dataclasses.replace(picture(0), read=lambda: b"no picture")
    spoilt = [dataclasses.replace(r, images=(broken,)) if r.id == "0" else r for r in asked]
    engine.settings = EngineSettings(engine.checkpoint.name)
    failed = [p for batch in engine.generate(spoilt) for p in batch if p.failed]
    assert [p.id for p in failed] == ["0"]
    assert "not a readable image" in failed[0].error


def test_half_precision_goes_through_the_same_path(tiny):
    half = load_engine(EngineSettings(str(tiny), dtype="bfloat16"))
    found = [p for batch in half.generate(requests("mixed", 4)) for p in batch]
    assert not any(p.failed for p in found)
    assert len(found) == 17


@pytest.mark.parametrize(
    ("prompts", "prefix", "rests"),
    [
        ([[1, 2, 3], [1, 2, 4]], [1, 2], [[3], [4]]),
        ([[1, 2], [1, 2, 4]], [1], [[2], [2, 4]]),
        ([[5], [6]], [], [[5], [6]]),
        ([[1, 2, 9], [1, 3, 9], [1, 2, 8]], [1], [[2, 9], [3, 9], [2, 8]]),
    ],
)
def test_prompts_are_split_at_their_longest_common_prefix(prompts, prefix, rests):
    assert split_at_prefix(prompts) == (prefix, rests)


def test_images_share_slots_of_like_size():
    assert list(plan_slots([5, 5, 100, 6], most=2, room=20)) == [(1, 100, [2]), (2, 6, [3, 0, 1])]
