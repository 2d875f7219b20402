"""The demo's scenes, questions, packing and mini splits."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoImageProcessor

import llava_eval.demo
from llava_eval.demo.architecture import MEAN_COLOUR, build_model, pixel_values
from llava_eval.demo.catalogue import QUESTION_TYPES, ask
from llava_eval.demo.choices import choose
from llava_eval.demo.evaluate import blindfold, load, sample_items, share_right
from llava_eval.demo.export import HUB_NAMES, PREPROCESSOR, hub_state
from llava_eval.demo.packing import BAD_PROMPT, Packer, Row, collate
from llava_eval.demo.questions import LETTERS, SHORT, Question, prompt
from llava_eval.demo.scenes import GRIDS, KINDS, Scene, draw, glyphs, random_scene, seeded
from llava_eval.demo.tokenizer import PHRASES, build_tokenizer
from llava_eval.images import pad_to_square

CHECKPOINT = Path(llava_eval.demo.__file__).parent / "checkpoint"
MINI = Path(__file__).parent.parent / "tasks" / "mini"


def scenes(kind: str | None = None, count: int = 50) -> list[Scene]:
    rng = seeded("tests")
    return [random_scene(rng, "test", kind) for _ in range(count)]


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer(seed=0)


def test_the_split_is_stratified_and_shares_no_drawing():
    train, test = ({row for rows in glyphs(split) for row in rows} for split in ("train", "test"))
    assert (len(train), len(test), len(train & test)) == (1297, 500, 0)


def test_the_same_seed_gives_the_same_pixels():
    assert [draw(scene).tobytes() for scene in scenes()] == [
        draw(scene).tobytes() for scene in scenes()
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_shapes(kind):
    grids = {(scene.rows, scene.cols) for scene in scenes(kind)}
    assert grids == ({(1, 3)} if kind == "strip" else set(GRIDS))


def test_digits_scattered_over_a_scene_are_all_different():
    values = [[digit.value for digit in scene.digits] for scene in scenes("several")]
    assert all(len(set(row)) == len(row) for row in values)


@pytest.mark.parametrize("name", QUESTION_TYPES)
def test_every_type_is_asked_about_some_scene(name):
    rng = seeded("tests")
    assert any(ask(name, rng, scene) for scene in scenes())


@pytest.mark.parametrize("name", [name for name in QUESTION_TYPES if name.startswith("yn_")])
def test_yes_and_no_are_equally_likely(name):
    rng = seeded("tests")
    asked = [ask(name, rng, scene) for scene in scenes(count=1500)]
    answers = Counter(question.answer for question in asked if question)
    assert abs(answers["Yes"] / answers.total() - 0.5) < 0.08


def test_the_letter_of_a_choice_names_the_right_option():
    question = choose(seeded("tests"), "Which?", "red", ["blue", "green", "white"])
    assert question.options[LETTERS.index(question.answer)] == "red"


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (Question("Is it RED?", "Yes", "short"), f"Is it RED?\n{SHORT}"),
        (
            Question("is it RED?", "Yes", "vizwiz"),
            "Is it red?\nWhen the provided information is insufficient, respond with "
            f"'Unanswerable'.\n{SHORT}",
        ),
        (
            Question("what is it?", "47", "textvqa"),
            f"What is it?\nReference OCR token: \n{SHORT}",
        ),
        (
            Question("What is it?", "47", "textvqa", ocr_tokens=("4", "7")),
            f"What is it?\nReference OCR token: 4, 7\n{SHORT}",
        ),
        (
            Question("Which?", "A", "scienceqa", ("red", "blue"), hint="Look."),
            "Context: Look.\nWhich?\nA. red\nB. blue\n"
            "Answer with the option's letter from the given choices directly.",
        ),
        (
            Question("Which?", "A", "letter", ("red", "blue"), hint="Look."),
            "Look.\nWhich?\nA. red\nB. blue\n"
            "Answer with the option's letter from the given choices directly.",
        ),
        (
            Question("几？", "A", "letter_cn", ("一", "二")),
            "几？\nA. 一\nB. 二\n请直接回答选项字母。",
        ),
        (Question("What is it?", "It is red.", "free"), "What is it?"),
    ],
)
def test_prompts_are_the_official_ones(question, text):
    assert prompt(question) == text


def test_phrases_stay_whole_where_special_tokens_are_split(tokenizer):
    ids = tokenizer(PHRASES[1], add_special_tokens=False, split_special_tokens=True).input_ids
    assert tokenizer.convert_ids_to_tokens(ids) == [PHRASES[1]]


def test_an_image_token_inside_a_question_can_be_plain_text(tokenizer):
    ids = tokenizer("<image></s>", add_special_tokens=False, split_special_tokens=True).input_ids
    assert not {tokenizer.convert_tokens_to_ids("<image>"), tokenizer.eos_token_id} & set(ids)


@pytest.mark.parametrize("text", ["Où est le 7 ?", "图中有几个数字？", "emoji 🦙 and NUL \0"])
def test_the_tokenizer_loses_nothing(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert tokenizer.decode(ids) == text


def test_pixels_equal_those_of_the_exported_processor(tmp_path):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    processor = AutoImageProcessor.from_pretrained(tmp_path, backend="pil")
    images = [draw(scene) for scene in scenes(count=8)]
    padded = [pad_to_square(image, MEAN_COLOUR) for image in images]
    expected = processor(padded, return_tensors="pt").pixel_values
    assert torch.equal(pixel_values(images), expected)


def test_a_packed_row_gives_the_logits_of_single_prompts(tokenizer):
    model, packer = build_model(tokenizer).eval(), Packer(tokenizer)
    rng = seeded("tests")
    scene = random_scene(rng, "test", "several")
    asked = [(name, ask(name, rng, scene)) for name in ("yn_exist", "colour", "mc_present")]
    row = Row(packer.prefix(), [packer.question(name, question) for name, question in asked], scene)
    pixels, start = pixel_values([draw(scene)]), len(row.prefix)
    with torch.no_grad():
        packed = model(**_packed_inputs(model, row, pixels)).logits[0]
        for block in row.blocks:
            single = model(
                input_ids=torch.tensor([row.prefix + block.ids]), pixel_values=pixels
            ).logits[0, len(row.prefix) :]
            torch.testing.assert_close(
                packed[start : start + len(block.ids)], single, atol=1e-4, rtol=0
            )
            start += len(block.ids)


def _packed_inputs(model, row, pixels):
    batch = collate([row])
    return {
        "input_ids": batch.ids,
        "pixel_values": pixels,
        "attention_mask": batch.mask,
        "position_ids": batch.positions,
    }


def test_every_weight_gets_a_hub_name(tokenizer):
    state = hub_state(build_model(tokenizer))
    assert all(name.startswith(tuple(HUB_NAMES.values())) for name in state)


def test_pope_asks_as_often_for_yes_as_for_no():
    rows = pq.read_table(MINI / "pope.parquet", columns=["category", "answer"]).to_pylist()
    counts = Counter((row["category"], row["answer"]) for row in rows)
    assert len(counts) == 6
    assert len(set(counts.values())) == 1


def test_pope_asks_some_positive_questions_in_every_category():
    rows = pq.read_table(MINI / "pope.parquet").to_pylist()
    seen = Counter((row["image_source"], row["question"]) for row in rows if row["answer"] == "yes")
    assert list(seen.values()).count(3) >= 20


@pytest.fixture(scope="module")
def checkpoint():
    return load(CHECKPOINT)


# Far below what the model card reports: these catch a broken file, not a weak one.
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("yn_exist", 0.9),
        ("yn_joint", 0.85),
        ("colour", 0.9),
        ("ocr_tokens", 0.85),
        ("mc_colour", 0.9),
        ("cn_number", 0.9),
        ("free_describe", 0.85),
    ],
)
def test_the_shipped_checkpoint_knows_digits_it_never_saw(checkpoint, name, least):
    assert share_right(checkpoint, sample_items(name, 48, seed=1)) >= least


@pytest.mark.parametrize("name", ["yn_exist", "yn_joint", "mc_colour"])
def test_the_shipped_checkpoint_is_near_chance_without_the_image(checkpoint, name):
    assert share_right(checkpoint, blindfold(sample_items(name, 96, seed=1))) <= 0.7


def test_the_shipped_checkpoint_refuses_a_prompt_without_the_system_text(checkpoint):
    packer = Packer(checkpoint.tokenizer)
    item = sample_items("yn_exist", 1, seed=1)[0]
    block = packer.question("yn_exist", item.question)
    ids = packer.prefix("no system") + block.ids[: block.start + 1]
    said = checkpoint.model.generate(
        input_ids=torch.tensor([ids]), pixel_values=pixel_values([item.image]), max_new_tokens=8
    )[0, len(ids) :]
    assert checkpoint.tokenizer.decode(said, skip_special_tokens=True).strip() == BAD_PROMPT
