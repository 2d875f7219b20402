"""Figures: what they draw is what the results say, and text in them is only text."""

from __future__ import annotations

import dataclasses
import itertools
import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from llava_eval.errors import UsageError
from llava_eval.leaderboard import build_leaderboard
from llava_eval.records import Estimate
from llava_eval.report.figures import (
    TASK_FIGURES,
    Drawn,
    as_svg,
    draw_all,
    forest,
    groups,
    lengths,
    letters,
    paired,
    radar,
    save,
    save_all,
    speed,
    yes_share,
)
from llava_eval.report.figures.groups import ALL, groupings
from llava_eval.report.figures.radar import INNER, axis_scale
from llava_eval.report.figures.series import measured_series, published_series
from llava_eval.report.figures.style import COLOURS, INK, label, labels
from llava_eval.report.measures import answer_lengths, letter_matrix, yes_shares
from llava_eval.report.subject import Subject, TaskRun, read_subject
from llava_eval.store import find_runs
from tests.boards import replayed, result_of, write_run

TASKS = ("pope", "mme", "scienceqa", "mmbench", "vqav2")
HOSTILE = (
    "$x_1$ and $y",
    "<script>alert(1)</script>&amp;",
    "one\ntwo\x1b[31m\x00",
    "m" * 200,
    "模型名字很长" * 9,
    r"\frac{a}{b} $\undefined$",
    "#1c1c1e url(#x)",
    "\u202eabc ❤\U0001f600",
    "",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models on five tasks of the mini split; the second one has more wrong answers."""
    folder = tmp_path_factory.mktemp("runs")
    for task in TASKS:
        replayed(folder / "a" / task, task, {1, 7}, "model-a")
        replayed(folder / "b" / task, task, set(range(0, 40, 3)), "model-b")
    return folder


@pytest.fixture(scope="module")
def two(root: Path) -> Subject:
    return read_subject([root / "a", root / "b"])


@pytest.fixture(scope="module")
def one(root: Path) -> Subject:
    return read_subject([root / "a"])


def full_size(folder: Path, **values: float | None) -> Subject:
    """A model with results on the published rows, which nobody has here."""
    for task, value in values.items():
        write_run(folder / "m" / task, result_of(task, value))
    return Subject(build_leaderboard(find_runs([folder])), (), ("a-model",))


def run_of(subject: Subject, task: str, place: int = 0) -> TaskRun:
    return subject.of_task(task)[place]


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def ticks_out_of_view(figure: Figure) -> set[Text]:
    """Labels that an axis holds ready but does not draw."""
    axes = [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    return {
        tick.label1
        for axis in axes
        for tick in axis.get_major_ticks()
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    }


def drawn_dots(figure: Figure) -> list[tuple[float, float]]:
    """Place of every marker of the data: x, and the row's y."""
    return [
        (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
        for axes in figure.axes
        for line in axes.lines
        if line.get_marker() not in ("None", None, "") and len(line.get_xdata()) == 1
    ]


def test_the_forest_plot_has_every_number_and_its_interval(one: Subject) -> None:
    figure = forest(one)
    assert figure is not None
    wanted = [run.result.headline for run in one.runs]
    assert sorted(x for x, _ in drawn_dots(figure)) == sorted(e.value for e in wanted)
    intervals = {
        tuple(line.get_xdata())
        for axes in figure.axes
        for line in axes.lines
        if len(line.get_xdata()) == 2
    }
    assert intervals == {(estimate.low, estimate.high) for estimate in wanted}


def test_points_have_an_axis_of_their_own(two: Subject) -> None:
    figure = forest(two)
    assert figure is not None
    percent, points = figure.axes
    assert percent.get_xlabel() == "percent"
    assert points.get_xlabel() == "points of 2,000"
    assert [label.get_text() for label in points.get_yticklabels()] == ["MME"]
    assert percent.get_xlim()[1] < 110 < points.get_xlim()[1]


def test_published_rows_stand_beside_numbers_of_the_benchmarks_own_data(tmp_path: Path) -> None:
    subject = full_size(tmp_path, pope=85.0, gqa=61.0, mme=1500.0)
    shown = published_series(subject.board)
    assert [series.name for series in shown] == [
        "LLaVA-1.5-7B (published)",
        "LLaVA-1.5-13B (published)",
    ]
    figure = forest(subject)
    assert figure is not None
    assert {85.0, 85.9, 62.0, 63.3, 1510.7} <= {x for x, _ in drawn_dots(figure)}


def test_the_minis_numbers_stand_alone_and_the_figure_says_why(two: Subject) -> None:
    assert published_series(two.board) == []
    for figure in (radar(two), forest(two)):
        assert figure is not None
        assert "Published rows are left out" in texts(figure).replace("\n", " ")


def test_an_undefined_number_is_a_gap_with_a_name(tmp_path: Path) -> None:
    subject = full_size(tmp_path, pope=85.0, gqa=61.0, mme=1500.0, mmvet=None)
    figure = radar(subject, published=())
    assert figure is not None
    line = figure.axes[0].lines[0]
    assert np.isnan(line.get_ydata()).sum() == 1
    assert len(drawn_dots(figure)) == 3
    assert "No value (undefined): MM-Vet of a-model." in texts(figure).replace("\n", " ")
    assert 0.0 not in {x for x, _ in drawn_dots(forest(subject, published=()) or Figure())}


def test_a_number_that_is_not_the_columns_own_is_hollow(tmp_path: Path) -> None:
    write_run(tmp_path / "pope", result_of("pope", 85.0, known=False))
    write_run(tmp_path / "gqa", result_of("gqa", 61.0))
    board = build_leaderboard(find_runs([tmp_path]))
    (series,) = measured_series(board)
    assert [series.hollow(task) for task in ("pope", "gqa")] == [True, False]
    figure = forest(Subject(board, (), ("a-model",)))
    assert figure is not None
    assert "Hollow" in texts(figure)


def test_an_axis_of_the_radar_chart_has_its_own_scale_printed(two: Subject) -> None:
    series = measured_series(two.board)
    figure = radar(two)
    assert figure is not None
    axes = figure.axes[0]
    for column, tick in zip(two.board.columns, axes.get_xticklabels(), strict=True):
        scale = axis_scale(column, series)
        assert scale is not None
        name, ends = tick.get_text().split("\n")
        assert name == column.title
        assert ends.split(" to ")[0] == f"{scale[0]:,.10g}"
        for each in series:
            assert scale[0] <= float(each.cells[column.task].estimate.value or 0) <= scale[1]


def test_a_place_on_the_radar_chart_is_the_number_on_its_scale(two: Subject) -> None:
    series = measured_series(two.board)
    figure = radar(two)
    assert figure is not None
    radii = figure.axes[0].lines[0].get_ydata()
    for column, radius in zip(two.board.columns, radii, strict=False):
        low, high = axis_scale(column, series) or (0.0, 1.0)
        share = (radius - INNER) / (1 - INNER)
        assert low + share * (high - low) == pytest.approx(
            series[0].cells[column.task].estimate.value
        )


def test_two_benchmarks_make_no_radar_chart(tmp_path: Path) -> None:
    assert radar(full_size(tmp_path, pope=85.0, gqa=61.0)) is None


def test_differences_are_those_of_the_comparison(two: Subject) -> None:
    figure = paired(two)
    assert figure is not None
    assert two.comparison is not None
    tasks = [t for t in two.comparison.tasks if t.measured.difference.value is not None]
    assert len(tasks) == len(TASKS)
    assert sorted(x for x, _ in drawn_dots(figure)) == sorted(
        float(task.measured.difference.value or 0) for task in tasks
    )
    for task in tasks:
        assert f"+{len(task.measured.gained)}" in texts(figure)
        assert f"−{len(task.measured.lost)}" in texts(figure)
    assert "model-b (mini) minus model-a (mini)" in texts(figure)


def test_one_model_has_no_differences(one: Subject) -> None:
    assert paired(one) is None


@pytest.mark.parametrize("task", TASKS)
def test_every_group_has_its_dot(two: Subject, task: str) -> None:
    runs = two.of_task(task)
    figure = groups(runs)
    assert figure is not None
    metrics = ("f1", "precision", "recall", "accuracy") if task == "pope" else ()
    wanted = []
    for result in (run.result for run in runs):
        for metric in metrics or ("score" if task == "mme" else result.primary,):
            names = [name for part in groupings([result]) for name in part.names]
            figures = [result.metrics if name == ALL else result.groups[name] for name in names]
            wanted += [float(f[metric].value) for f in figures if f[metric].value is not None]
    assert sorted(x for x, _ in drawn_dots(figure)) == sorted(wanted)


@pytest.mark.parametrize(
    ("task", "sizes"), [("mme", [10, 4]), ("mmbench", [21, 6]), ("scienceqa", [4, 2, 12])]
)
def test_groupings_stand_apart(one: Subject, task: str, sizes: list[int]) -> None:
    assert [len(part.names) for part in groupings([run_of(one, task).result])] == sizes


def test_a_group_without_a_value_is_named(one: Subject) -> None:
    run = run_of(one, "pope")
    undefined = Estimate(None, None, None, 0)
    broken = {"random": {**run.result.groups["random"], "precision": undefined}}
    result = dataclasses.replace(run.result, groups={**run.result.groups, **broken})
    before = groups([run])
    after = groups([dataclasses.replace(run, result=result)])
    assert before is not None
    assert after is not None
    assert len(drawn_dots(after)) == len(drawn_dots(before)) - 1
    assert "precision of random" in texts(after)


def test_combinations_of_capabilities_stand_below_the_capabilities(tmp_path: Path) -> None:
    at = Estimate(30.0, 25.0, 35.0, 10)
    named = {name: {"score": at} for name in ("rec", "ocr", "integration: ocr, rec")}
    parts = groupings([result_of("mmvet", 30.0, groups=named)])
    assert [part.names for part in parts] == [("all", "rec", "ocr"), ("integration: ocr, rec",)]


def test_bars_of_lengths_add_up_to_all_answers(two: Subject) -> None:
    runs = two.of_task("vqav2")
    figure = lengths(runs)
    assert figure is not None
    axes = figure.axes[0]
    heights = [bar.get_height() for bar in axes.patches]
    assert sum(heights) == pytest.approx(100 * len(runs))
    ones = [100 * np.mean(np.array(answer_lengths(run).words) == 1) for run in runs]
    bins = len(heights) // len(runs)
    assert [heights[k * bins] for k in range(len(runs))] == pytest.approx(ones)


def test_yes_stands_where_it_was_counted(one: Subject) -> None:
    run = run_of(one, "pope")
    figure = yes_share([run])
    assert figure is not None
    wanted = [100 * share.yes / share.n for share in yes_shares(run)]
    assert [x for x, _ in drawn_dots(figure)] == pytest.approx(wanted)
    assert yes_share([run_of(one, "vqav2")]) is None


def test_the_matrix_of_letters_has_every_count(one: Subject) -> None:
    run = run_of(one, "scienceqa")
    matrix = letter_matrix(run)
    figure = letters([run])
    assert matrix is not None
    assert figure is not None
    cells, bars = figure.axes
    shown = [text.get_text() for text in cells.texts]
    assert shown == [str(count) if count else "·" for row in matrix.counts for count in row]
    assert [bar.get_height() for bar in bars.patches] == pytest.approx(
        [100 * bias for bias in matrix.bias]
    )
    assert letters([run_of(one, "pope")]) is None


def test_speed_ends_at_all_answers_and_all_seconds(one: Subject) -> None:
    run = run_of(one, "pope")
    efforts = [
        {"answered": 100, "seconds": 2.0, "progress": [[0.5, 40]]},
        {"answered": 224, "seconds": 3.0},
    ]
    side = dataclasses.replace(run.side, run={**run.side.run, "efforts": efforts})
    figure = speed([dataclasses.replace(run, side=side)])
    assert figure is not None
    (line,) = figure.axes[0].lines
    assert list(line.get_xdata()) == [0.0, 0.5, 2.0, 5.0]
    assert list(line.get_ydata()) == [0, 40, 100, 324]
    assert line.get_markevery() == [0, 2, 3]
    assert "64.8 answers/s" in texts(figure)


def test_runs_whose_rows_are_gone_have_the_figures_that_need_none(one: Subject) -> None:
    run = dataclasses.replace(run_of(one, "scienceqa"), data=None, scores=())
    drawn = {name for name, kind in TASK_FIGURES.items() if kind.draw([run]) is not None}
    assert drawn == {"groups", "lengths", "throughput"}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_drawn_as_text(one: Subject, name: str, tmp_path: Path) -> None:
    lines = [
        dataclasses.replace(line, name=name or " ") if not line.source else line
        for line in one.board.lines
    ]
    board = dataclasses.replace(one.board, lines=lines)
    runs = tuple(dataclasses.replace(run, model=name) for run in one.runs)
    subject = Subject(board, runs, (name,))
    for figure in (radar(subject), *(kind.draw(runs[:1]) for kind in TASK_FIGURES.values())):
        if figure is not None:
            save(figure, tmp_path / "figure.png")
            markup = as_svg(Drawn("figure", name, name, figure))
            tags = {element.tag for element in ElementTree.fromstring(markup).iter()}
            assert not any(tag.endswith(("script", "foreignObject")) for tag in tags)
            assert "<script" not in markup


def test_a_name_that_is_a_colour_or_a_reference_stays_as_it_is(one: Subject) -> None:
    runs = [dataclasses.replace(run_of(one, "pope"), model=f"{INK} url(#x)")]
    figure = groups(runs)
    assert figure is not None
    assert f"{INK} url(#x)" in as_svg(Drawn("figure", "t", "d", figure))


def test_dollars_are_no_formula(one: Subject) -> None:
    figure = groups([dataclasses.replace(run_of(one, "pope"), model="$a_b$")])
    assert figure is not None
    assert not any(text.get_parse_math() for text in figure.findobj(Text))
    assert ">$a_b$<" in as_svg(Drawn("figure", "t", "d", figure))


def test_names_that_are_cut_alike_stay_apart() -> None:
    assert len(label("x" * 200)) == 44
    assert len({*labels(["x" * 200, "x" * 201, "x" * 202])}) == 3


def test_a_character_without_a_glyph_is_written_as_its_number() -> None:
    assert label("a\U00012000") == "aU+12000"


@pytest.mark.parametrize("form", ["png", "svg"])
def test_the_same_runs_give_the_same_bytes(root: Path, tmp_path: Path, form: str) -> None:
    for folder in ("one", "two"):
        subject = read_subject([root / "a", root / "b"])
        figures = {"radar": radar(subject), "letters": letters(subject.of_task("mmbench"))}
        for name, figure in figures.items():
            assert figure is not None
            save(figure, tmp_path / folder / f"{name}.{form}")
    for path in (tmp_path / "one").iterdir():
        content = path.read_bytes()
        assert content == (tmp_path / "two" / path.name).read_bytes()
        assert b"dc:date" not in content


def test_a_page_may_hold_all_figures_at_once(two: Subject) -> None:
    markup = [as_svg(drawn) for drawn in draw_all(two)]
    ids = [found for svg in markup for found in re.findall(r'\bid="([^"]*)"', svg)]
    assert len(ids) == len({*ids})
    for svg in markup:
        own = {*re.findall(r'\bid="([^"]*)"', svg)}
        assert {*re.findall(r'(?:href="|url\()#([^")]*)', svg)} <= own


def test_an_inlined_figure_follows_the_page_and_names_itself(two: Subject) -> None:
    figure = paired(two)
    assert figure is not None
    markup = as_svg(Drawn("paired", "The <title>", "What & why", figure))
    root = ElementTree.fromstring(markup)
    assert root.get("role") == "img"
    assert [child.text for child in root][:2] == ["The <title>", "What & why"]
    assert INK not in markup
    assert "currentColor" in markup
    assert "<style" not in markup
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", markup)


def test_figures_are_as_wide_as_a_papers_columns_at_300_dpi(two: Subject, tmp_path: Path) -> None:
    figure = forest(two)
    assert figure is not None
    with Image.open(save(figure, tmp_path / "forest.png")) as image:
        assert image.width == round(6.75 * 300)


def test_no_text_is_smaller_than_seven_points_or_outside(two: Subject) -> None:
    for drawn in draw_all(two):
        drawn.figure.draw_without_rendering()
        width, height = drawn.figure.get_size_inches() * drawn.figure.dpi
        for text in set(drawn.figure.findobj(Text)) - ticks_out_of_view(drawn.figure):
            if text.get_text().strip() and text.get_visible():
                assert text.get_fontsize() >= 7, (drawn.name, text.get_text())
                box = text.get_window_extent()
                assert box.x0 > -1, (drawn.name, text.get_text())
                assert box.x1 < width + 1, (drawn.name, text.get_text())
                assert box.y0 > -1, (drawn.name, text.get_text())
                assert box.y1 < height + 1, (drawn.name, text.get_text())


def test_neighbouring_colours_differ_in_grey() -> None:
    def lightness(colour: str) -> float:
        channels = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        y = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        return 116 * y ** (1 / 3) - 16

    greys = [lightness(colour) for colour in COLOURS]
    assert min(abs(a - b) for a, b in itertools.pairwise(greys)) > 6


def test_the_users_own_style_neither_changes_the_figures_nor_is_changed(
    one: Subject, tmp_path: Path
) -> None:
    plain = save(forest(one) or Figure(), tmp_path / "plain" / "forest.png").read_bytes()
    with matplotlib.rc_context(
        {"font.size": 20, "legend.handlelength": 6, "xtick.direction": "in"}
    ):
        before = dict(matplotlib.rcParams)
        odd = save(forest(one) or Figure(), tmp_path / "odd" / "forest.png").read_bytes()
        assert dict(matplotlib.rcParams) == before
    assert odd == plain


def test_figures_have_names_of_their_own_and_land_in_a_folder(root: Path, tmp_path: Path) -> None:
    subject = read_subject([root / "a" / "pope"])
    paths = save_all(subject, tmp_path, ["svg"])
    assert [path.name for path in paths] == [
        "forest.svg",
        "groups-pope.svg",
        "yes-pope.svg",
        "lengths-pope.svg",
        "throughput-pope.svg",
    ]
    assert all(path.stat().st_size > 2000 for path in paths)


def test_another_format_is_refused(one: Subject, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="png or svg"):
        save(forest(one) or Figure(), tmp_path / "forest.bmp")
