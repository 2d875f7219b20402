import pytest

from llava_eval.families import FAMILIES, prompt_chunks
from llava_eval.prompts import build_request, question_text
from llava_eval.records import Sample
from llava_eval.task import Prompt, load_task

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)


@pytest.mark.parametrize(
    ("task", "sample", "text"),
    [
        (
            "pope",
            Sample("1", "Is there a snowboard in the image?"),
            "Is there a snowboard in the image?\n"
            "Answer the question using a single word or phrase.",
        ),
    ],
)
def test_a_sample_becomes_the_text_of_llavas_question_file(task, sample, text):
    assert build_request(load_task(task), sample).text == text


def test_braces_in_a_question_are_no_fields():
    prompt = Prompt(["{question}", "Answer."])
    assert question_text(prompt, Sample("1", "What is {hint}?")) == "What is {hint}?\nAnswer."


def test_a_line_in_brackets_is_left_out_where_its_field_is_empty():
    prompt = Prompt(["[Context: {hint}]", "{question}", "{options}"])
    sample = Sample("1", "Which?", choices=("cat", "dog"))
    assert question_text(prompt, sample) == "Which?\nA. cat\nB. dog"


def test_a_line_in_brackets_is_kept_where_its_field_is_not():
    prompt = Prompt(["[Context: {hint}]", "{question}"])
    assert question_text(prompt, Sample("1", "Which?", hint="[x]")) == "Context: [x]\nWhich?"


def test_the_conversation_is_vicuna_v1_to_the_character():
    chunks = prompt_chunks(FAMILIES["llava-1.5"], "What?", has_image=True)
    assert "<image>".join(chunks) == SYSTEM + " USER: <image>\nWhat? ASSISTANT:"


def test_without_an_image_there_is_no_image_place_and_no_newline():
    chunks = prompt_chunks(FAMILIES["llava-1.5"], "What?", has_image=False)
    assert chunks == (SYSTEM + " USER: What? ASSISTANT:",)


def test_an_image_tag_in_a_question_makes_no_second_image_place():
    assert len(prompt_chunks(FAMILIES["llava-1.5"], "Is <image> a tag?", has_image=True)) == 2
