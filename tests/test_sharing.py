"""Sharing an image's prefix changes no token: the reference is plain `generate`, one by one."""

import dataclasses
import gc
import weakref
from contextlib import contextmanager

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


@pytest.fixture
def talker(engine, monkeypatch):
    """The engine with many tokens that end an answer, so that answers are of many lengths."""
    monkeypatch.setattr(engine, "eos", list(range(2, 262, 14)))
    monkeypatch.setattr(engine.model.generation_config, "eos_token_id", engine.eos)
    return engine


@contextmanager
def passes(engine, fail_at=None):
    """Count the tokens of every pass through the language model; one of them may fail."""
    widths = []

    def before(_, inputs, named):
        widths.append(named["inputs_embeds"].shape[:2].numel())
        if len(widths) == fail_at:
            raise RuntimeError("out of luck")

    handle = engine.model.model.language_model.register_forward_pre_hook(before, with_kwargs=True)
    try:
        yield widths
    finally:
        handle.remove()


@contextmanager
def caches(engine):
    """Collect the keys of every cache that the last layer uses: shape, and whether it lives."""
    seen = {}

    def after(_, inputs, named, output):
        keys = named["past_key_values"].layers[0].keys
        seen[weakref.ref(keys)] = keys.shape

    handle = engine.model.model.language_model.register_forward_hook(after, with_kwargs=True)
    try:
        yield seen
    finally:
        handle.remove()


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


@pytest.mark.parametrize("max_new_tokens", [1, 3, 20])
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


def varied(images=7):
    """Images with few and many questions, of many lengths, whose answers may be long or not."""
    counts = [1 + 5 * image % 9 for image in range(images)]
    return [
        Request(
            f"{image}.{number}",
            "Is it " + "so " * (5 * number % 11) + f"{number}?",
            (picture(image),) if image != 3 else (),
            (40, 2, 11, 1)[(image + number) % 4],
        )
        for image, count in enumerate(counts)
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def answers():
    """What `one_by_one` gives for `varied`, by attention."""
    return {}


@pytest.fixture
def truth(talker, answers):
    attention = talker._attention
    if attention not in answers:
        answers[attention] = one_by_one(talker, varied())
    return answers[attention]


def test_answers_are_of_many_lengths_or_the_tests_below_show_little(truth):
    assert len({new for _, new, _ in truth.values()}) > 8
    assert len({text for text, _, _ in truth.values()}) > 20


@pytest.mark.parametrize(
    ("batch_size", "packed", "tokens"),
    [(1, 40, 1024), (1, 256, 1), (3, 1, 100), (3, 40, 1024), (32, 40, 1), (32, 256, 1024)],
)
def test_questions_that_find_no_column_go_on_in_another_turn(
    talker, truth, monkeypatch, batch_size, packed, tokens
):
    with passes(talker) as plenty:
        shared(talker, varied(), batch_size=1)
    monkeypatch.setattr(sharing_module, "MOST_ASKED", 1)
    monkeypatch.setattr(sharing_module, "SHORT_ANSWER", 1)
    monkeypatch.setattr(sharing_module, "MOST_PACKED", packed)
    monkeypatch.setattr(sharing_module, "MOST_TOKENS", {"cpu": tokens})
    with passes(talker) as widths:
        assert shared(talker, varied(), batch_size=batch_size) == truth
    assert sum(widths) > sum(plenty)  # they were asked again


def test_two_hundred_questions_about_one_image_go_through_three_hundred_columns(talker):
    asked = [Request(str(n), f"Is it {n}?", (picture(1),), 3) for n in range(200)]
    whole = shared(talker, asked)
    gib = 300 * bytes_per_token(talker.model) / 2**30
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharing_module, "MOST_ASKED", 100)
        with caches(talker) as seen:
            assert shared(talker, asked, memory=gib) == whole
    assert [shape[2] <= 301 for shape in seen.values()] == [True]
    some = asked[::40]
    assert one_by_one(talker, some) == {r.id: whole[r.id] for r in some}


def test_a_turn_that_ends_no_image_is_not_an_empty_batch(talker, monkeypatch):
    monkeypatch.setattr(sharing_module, "MOST_ASKED", 1)
    talker.settings = EngineSettings(talker.checkpoint.name)
    assert all(list(talker.generate(varied())))


def test_every_token_goes_through_the_model_once(talker):
    asked = [r for r in varied() if r.images]
    with passes(talker) as widths:
        found = shared(talker, asked, batch_size=1)
    texts = {
        name: [r.text for r in asked if r.images[0].read() == name] for name in pictures(asked)
    }
    prompts = [talker.tokenize(texts[name], has_image=True) for name in texts]
    prefixes = [split_at_prefix(some)[0] for some in prompts]
    system = split_at_prefix(prefixes)[0].index(talker.image_token)
    once = (
        system
        + sum(len(p) - system + talker.image_length - 1 for p in prefixes)
        + sum(len(q) - len(p) for p, some in zip(prefixes, prompts, strict=True) for q in some)
        + sum(new - 1 for _, new, _ in found.values())
    )
    assert sum(widths) == once


def pictures(asked):
    return dict.fromkeys(r.images[0].read() for r in asked)


def test_a_long_answer_does_not_hold_up_the_images_behind_it(talker):
    asked = [Request(str(n), "What is it?", (picture(n),), 30) for n in range(16)]
    truth = one_by_one(talker, asked)
    lengths = [truth[r.id][1] for r in asked]
    lock_step = sum(max(lengths[start : start + 4]) for start in range(0, 16, 4))
    with passes(talker) as widths:
        assert shared(talker, asked, batch_size=4) == truth
    assert len(widths) < 0.85 * lock_step


@pytest.mark.parametrize("fail_at", [1, 2, 3, 7, 20])
def test_an_exception_in_the_model_fails_those_on_their_way_and_no_others(
    talker, truth, monkeypatch, fail_at
):
    monkeypatch.setattr(sharing_module, "MOST_PACKED", 40)
    monkeypatch.setattr(sharing_module, "MOST_ASKED", 100)
    talker.settings = EngineSettings(talker.checkpoint.name, batch_size=2)
    with passes(talker, fail_at):
        found = [p for batch in talker.generate(varied()) for p in batch]
    assert sorted(p.id for p in found) == sorted(truth)
    failed = {p.id for p in found if p.failed}
    images = {name.split(".")[0] for name in failed}
    assert {p.error for p in found if p.failed} == {"RuntimeError: out of luck"}
    assert len(images) <= 2
    assert failed == {name for name in truth if name.split(".")[0] in images}
    answered = {p.id: (p.text, p.new_tokens, p.prompt_tokens) for p in found if not p.failed}
    assert answered == {name: truth[name] for name in truth if name not in failed}
    assert not talker.model.model.language_model.layers[-1].mlp._forward_hooks
    assert shared(talker, varied()) == truth


def test_a_broken_model_with_nothing_to_answer_comes_to_an_end(engine):
    broken = dataclasses.replace(picture(0), read=lambda: b"no picture")
    engine.settings = EngineSettings(engine.checkpoint.name)
    with passes(engine, fail_at=1):
        (batch,) = engine.generate([Request("1", "What?", (broken,), 4)])
    assert "not a readable image" in batch[0].error


def test_the_cache_keeps_to_its_memory_and_is_freed_with_its_last_use(talker, truth):
    asked = [*varied(), Request("long", "What?", (picture(9),), 900)]
    room = 1200
    gc.collect()
    gc.disable()
    try:
        with caches(talker) as seen:
            found = shared(talker, asked, memory=room * bytes_per_token(talker.model) / 2**30)
        assert {name: found[name] for name in truth} == truth
        assert not any(keys() is not None for keys in seen)
    finally:
        gc.enable()
    shapes = [(slots, columns - 1) for slots, _, columns, _ in seen.values()]  # one is for padding
    assert [slots for slots, _ in shapes] == [1, 2]
    assert all(slots * columns <= room for slots, columns in shapes)
