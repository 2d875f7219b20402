"""The mini splits: they can be rebuilt, have their benchmark's schema, and all its variety."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

import llava_eval.demo
from llava_eval.adapters import MMVET_SAME_IMAGE
from llava_eval.choice_rows import ROTATION
from llava_eval.demo.evaluate import Item, load, share_right
from llava_eval.demo.mini import MINI_SPLITS, write_split
from llava_eval.demo.mini.annotators import near_misses, ten_answers
from llava_eval.demo.mini.circular import LEAVES
from llava_eval.demo.mini.short import answer_type, question_type
from llava_eval.demo.questions import Question
from llava_eval.demo.scenes import seeded
from llava_eval.samples import read_samples
from llava_eval.scorers.yes_no import MME_TASKS
from llava_eval.task import load_task, task_names

MINI = Path(__file__).parent.parent / "tasks" / "mini"
TEXTS = "list<element: string>"
IMAGE = "struct<bytes: binary, path: string>"
# Columns of the data sets under lmms-lab on the Hub; "image" is a struct of bytes and path.
COLUMNS = {
    "pope": "id question_id question answer image_source image category",
    "mme": "question_id image question answer category",
    "vqav2": "question_type multiple_choice_answer answers image_id answer_type question_id "
    "question image",
    "gqa": "id imageId question answer fullAnswer isBalanced groups entailed equivalent types "
    "annotations semantic semanticStr image",
    "vizwiz": "question_id image question answers category",
    "textvqa": "image_id question_id question question_tokens image image_width image_height "
    "flickr_original_url flickr_300k_url answers image_classes set_name ocr_tokens",
    "scienceqa": "image question choices answer hint task grade subject topic category skill "
    "lecture solution",
    "mmbench": "index question hint answer A B C D category image source L2-category comment split",
    "mmbench_cn": "index question hint answer A B C D category image source L2-category comment "
    "split",
    "seedbench": "answer choice_a choice_b choice_c choice_d data_id data_type question "
    "question_id question_type_id image segment",
    "llava_bench": "question_id question image category image_id caption gpt_answer",
    "mmvet": "question_id image question answer image_source capability",
}
# Types other than string, struct and image.
TYPES = {
    ("vqav2", "image_id"): "int64",
    ("vqav2", "question_id"): "int64",
    ("vqav2", "answers"): "list<element: struct<answer: string, answer_confidence: string, "
    "answer_id: int64>>",
    ("gqa", "isBalanced"): "bool",
    ("gqa", "groups"): "struct<global: string, local: string>",
    ("gqa", "types"): "struct<structural: string, semantic: string, detailed: string>",
    ("gqa", "semantic"): "list<element: struct<operation: string, argument: string, "
    "dependencies: list<element: int32>>>",
    ("vizwiz", "answers"): TEXTS,
    ("textvqa", "question_id"): "int32",
    ("textvqa", "image_width"): "int32",
    ("textvqa", "image_height"): "int32",
    ("textvqa", "question_tokens"): TEXTS,
    ("textvqa", "answers"): TEXTS,
    ("textvqa", "image_classes"): TEXTS,
    ("textvqa", "ocr_tokens"): TEXTS,
    ("scienceqa", "choices"): TEXTS,
    ("scienceqa", "answer"): "int8",
    ("mmbench", "index"): "int64",
    ("mmbench_cn", "index"): "int64",
    ("seedbench", "question_type_id"): "int16",
    ("seedbench", "image"): f"list<element: {IMAGE}>",
    ("seedbench", "segment"): "list<element: double>",
}


def rows_of(task):
    return pq.read_table(MINI / f"{task}.parquet").to_pylist()


def pixels(cell):
    if isinstance(cell, list):
        return [pixels(frame) for frame in cell]
    if cell is None:
        return None
    image = Image.open(io.BytesIO(cell["bytes"]))
    return cell["path"], image.size, image.tobytes()


def decoded(path):
    return [row | {"image": pixels(row["image"])} for row in pq.read_table(path).to_pylist()]


def sizes(cell):
    cells = cell if isinstance(cell, list) else [cell]
    return {Image.open(io.BytesIO(frame["bytes"])).size for frame in cells if frame}


@pytest.mark.parametrize("task", MINI_SPLITS)
def test_a_mini_split_can_be_rebuilt(task, tmp_path):
    assert decoded(write_split(task, tmp_path)) == decoded(MINI / f"{task}.parquet")


def test_every_task_that_ships_has_a_mini_split():
    assert set(task_names()) == set(MINI_SPLITS)


@pytest.mark.parametrize("task", MINI_SPLITS)
def test_a_mini_split_has_the_columns_of_its_benchmark(task):
    schema = pq.read_schema(MINI / f"{task}.parquet")
    assert " ".join(schema.names) == COLUMNS[task]


@pytest.mark.parametrize("task", MINI_SPLITS)
def test_a_mini_split_has_the_types_of_its_benchmark(task):
    schema = pq.read_schema(MINI / f"{task}.parquet")
    for field in schema:
        usual = IMAGE if field.name == "image" else "string"
        if (task, field.name) != ("gqa", "annotations"):
            assert str(field.type) == TYPES.get((task, field.name), usual), field.name


@pytest.mark.parametrize("task", MINI_SPLITS)
def test_a_mini_split_is_large_enough_and_its_file_small(task):
    assert len(rows_of(task)) >= 60
    assert (MINI / f"{task}.parquet").stat().st_size < 1_000_000


@pytest.mark.parametrize("task", MINI_SPLITS)
def test_some_images_are_wide(task):
    found = set().union(*(sizes(row["image"]) for row in rows_of(task)))
    assert any(width > height for width, height in found)


@pytest.mark.parametrize("task", MINI_SPLITS)
def test_a_mini_split_can_be_read(task):
    data = read_samples(load_task(task), "mini")
    assert len(data.samples) == len(rows_of(task))
    assert all(sample.references for sample in data.samples)


@pytest.mark.parametrize("task", ["vqav2", "gqa", "textvqa", "mme", "llava_bench", "mmvet"])
def test_some_images_have_several_questions(task):
    clusters = Counter(s.cluster for s in read_samples(load_task(task), "mini").samples)
    assert sum(count > 1 for count in clusters.values()) >= 15


def test_mme_asks_each_image_for_a_yes_and_a_no():
    images = defaultdict(list)
    for row in rows_of("mme"):
        images[row["category"], row["question_id"]].append(row["answer"])
    assert {tuple(answers) for answers in images.values()} == {("Yes", "No")}


def test_mme_has_all_fourteen_tasks_with_two_images_or_more():
    images = Counter(
        category for category, _ in {(r["category"], r["question_id"]) for r in rows_of("mme")}
    )
    assert set(images) == set(MME_TASKS)
    assert min(images.values()) >= 2


def test_mme_has_its_own_instruction_behind_one_blank_or_two():
    ends = {row["question"].partition("?")[2] for row in rows_of("mme")}
    assert ends == {" Please answer yes or no.", "  Please answer yes or no."}


def test_vqav2_has_all_answer_types_and_several_question_types():
    rows = rows_of("vqav2")
    assert {row["answer_type"] for row in rows} == {"yes/no", "number", "other"}
    assert len({row["question_type"] for row in rows}) >= 7


@pytest.mark.parametrize("task", ["vqav2", "vizwiz", "textvqa"])
def test_ten_annotators_agree_on_some_questions_and_not_on_others(task):
    kinds = set()
    for sample in read_samples(load_task(task), "mini").samples:
        assert len(sample.references) == 10
        kinds.add(len(set(sample.references)))
    assert {1, 2, 3} <= kinds


def test_what_most_annotators_say_is_right():
    rng = seeded("tests")
    for answer in ("yes", "no", "red", "seven", "7", "47", "unanswerable") * 40:
        counts = Counter(ten_answers(rng, answer)).most_common(2)
        assert counts[0][0] == answer
        assert counts[0][1] >= 3


@pytest.mark.parametrize("answer", ["yes", "red", "seven", "7", "407", "unanswerable"])
def test_those_who_disagree_do_not_say_what_is_right(answer):
    assert answer not in near_misses(seeded("tests"), answer)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Is there a seven in the image?", "is there a"),
        ("Is there an eight in the image?", "is there"),
        ("What color is the number?", "what color is the"),
        ("What is the larger number?", "what is the"),
        ("Which number is red?", "which"),
    ],
)
def test_question_types_are_whole_words(text, kind):
    assert question_type(text) == kind


@pytest.mark.parametrize(
    ("answer", "kind"), [("no", "yes/no"), ("07", "number"), ("two", "number"), ("red", "other")]
)
def test_answer_types(answer, kind):
    assert answer_type(answer) == kind


def test_vizwiz_has_all_answer_types_and_some_questions_in_lower_case():
    rows = rows_of("vizwiz")
    kinds = Counter(row["category"] for row in rows)
    assert set(kinds) == {"yes/no", "number", "other", "unanswerable"}
    assert kinds["unanswerable"] >= 15
    assert {row["question"][0].isupper() for row in rows} == {True, False}


def test_textvqa_has_images_with_right_wrong_and_no_tokens():
    rows = rows_of("textvqa")
    seen = {Counter(r["answers"]).most_common(1)[0][0] in r["ocr_tokens"] for r in rows}
    assert seen == {True, False}
    assert any(not row["ocr_tokens"] for row in rows)


def test_gqa_has_all_structural_and_semantic_types():
    types = [row["types"] for row in rows_of("gqa")]
    assert {t["structural"] for t in types} == {"query", "verify", "choose", "logical", "compare"}
    assert {t["semantic"] for t in types} == {"attr", "cat", "obj", "rel", "global"}
    assert len({t["detailed"] for t in types}) >= 8


def test_gqa_has_questions_with_and_without_a_global_group():
    groups = {row["groups"]["global"] for row in rows_of("gqa")}
    assert {None, "color", "number", "place", "position"} == groups


def test_scienceqa_has_all_its_kinds_of_rows():
    rows = rows_of("scienceqa")
    kinds = {(row["image"] is None, bool(row["hint"])) for row in rows}
    assert len(kinds) == 4
    assert {len(row["choices"]) for row in rows if row["image"]} == {2, 3, 4, 5}
    assert len({row["subject"] for row in rows}) == 3
    assert {row["grade"] for row in rows} == {f"grade{n}" for n in range(1, 13)}


def circles(task):
    found = defaultdict(list)
    for row in rows_of(task):
        found[row["index"] % ROTATION].append(row)
    return list(found.values())


@pytest.mark.parametrize("task", ["mmbench", "mmbench_cn"])
def test_mmbench_has_circles_of_two_three_and_four_in_every_category(task):
    found = circles(task)
    assert {len(circle) for circle in found} == {2, 3, 4}
    assert {(c[0]["category"], c[0]["L2-category"]) for c in found} == set(LEAVES.items())
    assert len(set(LEAVES.values())) == 6
    assert len(LEAVES) == 20


@pytest.mark.parametrize("task", ["mmbench", "mmbench_cn"])
def test_a_circle_rotates_the_options_and_the_letter(task):
    for circle in circles(task):
        options = [[row[letter] for letter in "ABCD" if row[letter]] for row in circle]
        assert [row["index"] // ROTATION for row in circle] == list(range(len(circle)))
        assert len({row[row["answer"]] for row in circle}) == 1
        assert len({tuple(order) for order in options}) == len(circle)
        assert len({frozenset(order) for order in options}) == 1


@pytest.mark.parametrize("task", ["mmbench", "mmbench_cn"])
def test_mmbench_has_hints_and_fixed_last_options(task):
    found = circles(task)
    assert {bool(circle[0]["hint"]) for circle in found} == {True, False}
    assert any(len(circle) == 3 and circle[0]["D"] for circle in found)


def test_seedbench_has_all_dimensions_and_three_of_videos():
    rows = rows_of("seedbench")
    assert {row["question_type_id"] for row in rows} == set(range(1, 13))
    for row in rows:
        video = row["question_type_id"] >= 10
        assert row["data_type"] == ("video" if video else "image")
        assert len(row["image"]) == (3 if video else 1)


def test_a_video_of_seedbench_is_asked_about_by_its_middle_frame():
    samples = read_samples(load_task("seedbench"), "mini").samples
    pairs = [(row, s) for row, s in zip(rows_of("seedbench"), samples, strict=True)]
    videos = [(row, s) for row, s in pairs if row["data_type"] == "video"]
    for row, sample in videos:
        assert sample.images[0].read() == row["image"][1]["bytes"]


def test_videos_of_seedbench_are_asked_about_by_what_their_middle_frame_shows():
    checkpoint = load(Path(llava_eval.demo.__file__).parent / "checkpoint")
    items = [
        Item(
            Question(row["question"], row["answer"], "letter", options_of(row)),
            Image.open(io.BytesIO(row["image"][1]["bytes"])),
        )
        for row in rows_of("seedbench")
        if row["data_type"] == "video"
    ]
    assert share_right(checkpoint, items) >= 0.8


def options_of(row):
    return tuple(row[f"choice_{letter}"] for letter in "abcd")


def test_llava_bench_has_its_three_categories_with_captions():
    rows = rows_of("llava_bench")
    assert {row["category"] for row in rows} == {"conv", "detail", "complex"}
    assert all(row["caption"] and row["gpt_answer"] for row in rows)


def test_mmvet_has_all_capabilities_and_several_integrations():
    capabilities = {row["capability"] for row in rows_of("mmvet")}
    assert {name for names in capabilities for name in names.split(",")} == {
        "rec",
        "ocr",
        "know",
        "gen",
        "spat",
        "math",
    }
    assert len(capabilities) >= 8


def test_mmvet_has_answers_of_several_parts():
    answers = [row["answer"] for row in rows_of("mmvet")]
    assert any("<AND>" in answer for answer in answers)
    assert any("<OR>" in answer for answer in answers)


def test_mmvet_repeats_images_where_the_real_one_does():
    rows = rows_of("mmvet")
    same = {n for n in range(1, len(rows)) if rows[n]["image"] == rows[n - 1]["image"]}
    assert same == {number for number in MMVET_SAME_IMAGE if number < len(rows)}
