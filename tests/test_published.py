"""The numbers that others published, and the page made of them."""

import dataclasses
from pathlib import Path

import pytest

from llava_eval.errors import CardError
from llava_eval.families import FAMILIES
from llava_eval.published import load_published
from llava_eval.results_page import rescored, results_page
from llava_eval.scorers import SCORERS
from llava_eval.store import RESULT, find_runs, read_json, result_from_json
from llava_eval.strict import load_record
from llava_eval.task import TABLE, load_task

RESULTS = Path(__file__).resolve().parents[1] / "results"
BASELINES = find_runs([RESULTS / "baselines"])
PUBLISHED = load_published()


@pytest.mark.parametrize(
    ("name", "task", "value"),
    [
        ("LLaVA-1.5-7B", "vqav2", 78.5),
        ("LLaVA-1.5-7B", "mme", 1510.7),
        ("LLaVA-1.5-13B", "pope", 85.9),
        ("LLaVA-1.5-13B", "mmvet", 36.1),
        ("LLaVA-1.5-7B-LoRA", "vizwiz", 47.8),
        ("LLaVA-1.5-13B-LoRA", "mmbench_cn", 61.5),
        ("LLaVA-1.5-13B-HD", "seedbench", 62.6),
        ("BLIP-2 (Vicuna-13B)", "vizwiz", 19.6),
        ("InstructBLIP-13B", "mme", 1212.8),
        ("Shikra-13B", "mmbench", 58.8),
        ("IDEFICS-80B", "mmbench_cn", 38.1),
        ("Qwen-VL", "textvqa", 63.8),
        ("Qwen-VL-Chat", "mme", 1487.5),
    ],
)
def test_the_numbers_are_those_of_the_sources(name, task, value):
    assert PUBLISHED.model(name).scores[task] == value


def test_llava_1_5_has_all_twelve_columns():
    for name in ("7B", "13B", "7B-LoRA", "13B-LoRA", "13B-HD"):
        assert tuple(PUBLISHED.model(f"LLaVA-1.5-{name}").scores) == TABLE


def test_every_row_is_of_tasks_and_sources_that_there_are():
    for model in PUBLISHED.models:
        assert model.source in PUBLISHED.sources
        assert set(model.scores) | set(model.details) | set(model.seen) <= set(TABLE)
        assert set(model.derived) <= set(model.scores)


def test_names_are_different_however_they_are_spelt():
    assert len({model.slug for model in PUBLISHED.models}) == len(PUBLISHED.models)


def test_percentages_are_percentages_and_mme_is_points():
    for model in PUBLISHED.models:
        for task, value in model.scores.items():
            assert (value > 100) == (load_task(task).unit == "points"), (model.name, task)


def test_the_mean_of_popes_three_f1_is_the_number_of_the_column():
    for model in PUBLISHED.models:
        if "pope" in model.scores and "pope" in model.details:
            parts = model.details["pope"].values()
            assert abs(sum(parts) / 3 - model.scores["pope"]) < 0.1, model.name


def test_a_detail_is_a_metric_of_the_scorer_or_a_group_of_pope():
    for model in PUBLISHED.models:
        for task, details in model.details.items():
            metrics = SCORERS[load_task(task).scorer].metrics
            assert set(details) <= {*metrics, "random", "popular", "adversarial"}


def test_the_published_rows_are_a_version_that_the_card_knows():
    assert tuple(PUBLISHED.rows) == TABLE
    for task in TABLE:
        assert PUBLISHED.version(load_task(task))


def test_the_setting_is_that_of_a_family():
    assert FAMILIES[PUBLISHED.setting.family].pad_to_square == PUBLISHED.setting.pad_to_square


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("pope: 85.9", "pope: high"), "'high' is str, must be float"),
        (("source: zoo", "sauce: zoo"), "unknown key 'sauce'; did you mean 'source'"),
        (("  zoo: ", "  zoo: twice\n  zoo: "), "key 'zoo' is given twice"),
    ],
)
def test_a_slip_of_the_pen_is_one_line_that_names_the_place(tmp_path, change, message):
    text = (RESULTS / "published.yaml").read_text(encoding="utf-8")
    path = tmp_path / "published.yaml"
    path.write_text(text.replace(*change, 1), encoding="utf-8")
    with pytest.raises(CardError, match=message):
        load_record(type(PUBLISHED), path)


def test_the_page_of_results_is_current():
    page = (RESULTS / "README.md").read_text(encoding="utf-8")
    assert page == results_page(BASELINES), "make leaderboard"


@pytest.mark.parametrize("folder", BASELINES, ids=lambda folder: folder.name)
def test_a_committed_result_is_what_its_predictions_score_today(folder):
    numbers = [
        [each for group in groups for each in metrics_of(group)]
        for result in (result_from_json(read_json(folder / RESULT), ""), rescored(folder))
        for groups in [[result.metrics, *result.groups.values()]]
    ]
    assert numbers[0] == pytest.approx(numbers[1], nan_ok=True), "make leaderboard"


def metrics_of(group):
    """All numbers of a group; what is undefined as NaN."""
    return [
        float("nan") if number is None else number
        for estimate in group.values()
        for number in dataclasses.astuple(estimate)
    ]
