"""Why a number is not the published one."""

import pytest

from llava_eval.cli import main
from llava_eval.effects import load_effects
from llava_eval.explain import explain, show_explanations
from llava_eval.task import load_task, task_names
from tests.boards import replayed, result_of, write_run
from tests.test_leaderboard import POPE_VERSION, without_line


def explained(tmp_path, result, **model):
    write_run(tmp_path / result.task, result, **model)
    text = show_explanations(explain(tmp_path))
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("task", "changes", "model", "words"),
    [
        ("textvqa", {"prompt": without_line("textvqa", "OCR")}, {}, "no OCR line about 12 points"),
        ("vizwiz", {"prompt": without_line("vizwiz", "Unansw")}, {}, "from 11.1 to 67.8 percent"),
        ("pope", {"version": POPE_VERSION, "n": 9000}, {}, "another random category, of 3,000"),
        ("mmvet", {"judge": "gpt-4o"}, {}, "27.8 to 27.9 instead of 31.1"),
        ("pope", {"dialect": "lmms-eval"}, {}, "lmms-eval takes only an exact yes or no"),
        ("gqa", {"max_new_tokens": 16}, {}, "at most 20 characters on GQA"),
        ("pope", {"failed": 2}, {}, "complete: incomplete: 2 of 8,910 failed rows without an ans"),
        ("pope", {"drawn": True, "n": 500}, {}, "sampling error alone"),
        ("pope", {}, {"pad_to_square": False}, "square padding False instead of True LLaVA's auth"),
        ("pope", {}, {"template": "0" * 16}, "falls from 96.0 to 50.0 without its system text"),
        ("pope", {}, {"dtype": "bfloat16"}, "dtype: bfloat16 instead of float16 rounding can turn"),
        ("pope", {"protocol": "0" * 16}, {}, "what this does to the score is not known"),
    ],
)
def test_a_difference_is_named_with_what_it_is_known_to_do(tmp_path, task, changes, model, words):
    assert words in explained(tmp_path, result_of(task, **changes), **model)


def test_what_is_known_of_another_difference_is_not_told(tmp_path):
    text = explained(tmp_path, result_of("textvqa", prompt=without_line("textvqa", "single")))
    assert "no short-answer instruction what this does to the score is not known" in text
    assert "12 points" not in text


def test_the_published_protocol_is_recognised(tmp_path):
    assert "the published protocol, field by field" in explained(tmp_path, result_of("pope"))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (86.5, "86.5 [85.5, 87.5], 8,910 samples LLaVA-1.5-7B [zoo] 85.9 difference +0.6, inside"),
        (84.0, "difference -1.9, outside the run's 95 % interval"),
    ],
)
def test_value_and_published_value_stand_together_with_the_interval(tmp_path, value, words):
    assert words in explained(tmp_path, result_of("pope", value))


def test_another_protocol_is_said_beside_the_difference(tmp_path):
    result = result_of("textvqa", 46.0, prompt=without_line("textvqa", "OCR"))
    assert "-12.2, outside the run's 95 % interval; another protocol" in explained(tmp_path, result)


def test_a_run_on_the_mini_split_is_said_to_be_comparable_with_nothing(tmp_path):
    replayed(tmp_path / "pope", "pope", {1, 2}, "demo")
    text = show_explanations(explain(tmp_path))
    assert "difference          not comparable: mini split" in text
    assert "comparable with no published number" in text
    assert "inside" not in text
    assert "outside" not in text


def test_what_is_known_of_a_published_number_itself_is_told(tmp_path):
    text = explained(tmp_path, result_of("scienceqa", 68.0))
    assert "users of LLaVA's own scripts get 67.9 to 69.5" in text


def test_tasks_come_in_the_order_of_the_table(tmp_path):
    for task in ("pope", "gqa", "vqav2"):
        write_run(tmp_path / task, result_of(task))
    assert [each.task.name for each in explain(tmp_path)] == ["vqav2", "gqa", "pope"]


def test_another_row_can_be_named_and_may_have_no_number(tmp_path):
    write_run(tmp_path / "pope", result_of("pope", 79.0))
    [found] = explain(tmp_path, "published:instructblip-13b")
    assert found.published == 78.9
    [found] = explain(tmp_path, "published:Shikra-13B")
    assert found.verdict == "nothing is published for this row"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--against", "published:llava-1.5-7"], "no such row; did you mean 'llava-1.5-7b'"),
        (["--against", "llava-1.5-7b"], "did you mean 'published:llava-1.5-7b'"),
    ],
)
def test_a_row_that_is_not_there_is_one_line_that_names_the_nearest(
    tmp_path, capsys, arguments, message
):
    write_run(tmp_path / "pope", result_of("pope"))
    assert main(["explain", str(tmp_path), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_without_a_run_is_one_line(tmp_path, capsys):
    assert main(["explain", str(tmp_path)]) == 2
    assert main(["explain", str(tmp_path / "no")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert "no finished run in it" in lines[0]
    assert "no such folder" in lines[1]


FIELDS = {
    *("prompt", "max_new_tokens", "scorer_version", "judge", "data", "complete", "template"),
    *("family", "pad_to_square", "dtype", "number"),
}


def test_every_effect_is_of_a_field_and_a_task_that_there_is_and_has_a_source():
    for effect in load_effects():
        assert effect.field in FIELDS, effect
        assert set(effect.tasks) <= set(task_names()), effect
        assert effect.source
        assert effect.effect


def test_every_effect_about_data_is_of_a_version_that_a_card_knows():
    for effect in load_effects():
        if effect.field == "data" and effect.tasks:
            for task in effect.tasks:
                assert any(effect.when in name for name in load_task(task).versions.values())
