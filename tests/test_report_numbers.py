"""Every number of the page, its figures and its Markdown is the one that was measured."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from llava_eval.cli import main
from llava_eval.leaderboard import build_leaderboard
from llava_eval.records import Estimate, Prediction
from llava_eval.report.figures import as_svg, draw_all, forest, paired, speed, yes_share
from llava_eval.report.figures.style import COLOURS, INK, PAPER
from llava_eval.report.markdown import markdown
from llava_eval.report.measures import yes_shares
from llava_eval.report.page import render_page
from llava_eval.report.page_differences import show_p, show_signed
from llava_eval.report.subject import Subject, read_subject
from llava_eval.store import find_runs
from tests.boards import replayed, result_of, write_run
from tests.test_report_measures import run_of

TASKS = ("pope", "mme", "scienceqa", "mmbench", "vqav2")


class Tables(HTMLParser):
    """Collects rows of tables: each cell is its data-value and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[tuple[str, str]]] = []
        self.cell: tuple[str, str] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.cell = (dict(attrs).get("data-value") or "", "")
        if tag == "span" and self.cell:
            self.cell = (self.cell[0], f"{self.cell[1]} ")

    def handle_data(self, data: str) -> None:
        if self.cell:
            self.cell = (self.cell[0], self.cell[1] + data)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("th", "td") and self.cell:
            self.rows[-1].append((self.cell[0], " ".join(self.cell[1].split())))
            self.cell = None


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """Two models on five tasks, which differ in each."""
    root = tmp_path_factory.mktemp("runs")
    for task in TASKS:
        replayed(root / "a" / task, task, {1, 7}, "model-a")
        replayed(root / "b" / task, task, set(range(0, 40, 3)), "model-b")
    return read_subject([root / "a", root / "b"])


@pytest.fixture(scope="module")
def page(two: Subject) -> str:
    return render_page(two)


def shown(estimate: Estimate) -> tuple[str, str]:
    """How a cell has to be: the full number to sort by, and what is read."""
    if estimate.value is None:
        return "", "none"
    text = f"{estimate.value:,.1f}"
    if estimate.low is not None and estimate.high is not None:
        places = 0 if estimate.high >= 1000 else 1
        text += f" {estimate.low:,.{places}f}–{estimate.high:,.{places}f}"
    return repr(estimate.value), text


def test_every_number_of_the_table_is_the_results(two: Subject, page: str) -> None:
    rows = Tables(page.split('<section id="table"')[1].split("</section>")[0]).rows
    heads = [text for _, text in rows[0]]
    for run in two.runs:
        row = next(row for row in rows if row[0][1] == run.model)
        value, text = row[heads.index(run.task.title)]
        wanted = shown(run.result.headline)
        assert value == wanted[0]
        assert text.replace("†1", "").startswith(wanted[1])


def test_every_number_of_every_group_is_the_results(two: Subject, page: str) -> None:
    for run in two.runs:
        place = two.models.index(run.model)
        part = page.split(f'id="run-{run.task.name}-{place}"')[1].split("</article>")[0]
        head, *rows = Tables(part).rows
        parts = {"all": run.result.metrics, **run.result.groups}
        assert sorted(row[0][1] for row in rows) == sorted(parts)
        for (_, name), *cells, (samples, _) in rows:
            figures = parts[name]
            primary = figures.get(run.result.primary)
            assert int(samples) == (primary or max(figures.values(), key=lambda e: e.n)).n
            for (_, metric), cell in zip(head[1:-1], cells, strict=True):
                figure = figures.get(metric.replace(" ", "_"))
                wanted = ("", "") if figure is None else shown(figure)
                other = figure and figure.n != int(samples)
                assert cell == (wanted[0], wanted[1] + (f" of {figure.n:,}" if other else ""))


def test_groups_with_numbers_stand_in_their_order(page: str) -> None:
    part = page.split('id="run-scienceqa-0"')[1].split("</article>")[0]
    names = [row[0][1] for row in Tables(part).rows]
    assert names[-12:] == [f"grade{number}" for number in range(1, 13)]


def test_every_row_of_the_differences_is_the_comparisons(two: Subject, page: str) -> None:
    assert two.comparison is not None
    _, *rows = Tables(page.split('<section id="differences"')[1].split("</table>")[0]).rows
    assert len(rows) == len(two.comparison.tasks) == len(TASKS)
    for row, task in zip(rows, two.comparison.tasks, strict=True):
        found = task.measured
        change = found.difference
        assert found.baseline != found.candidate
        assert task.p_holm is not None
        assert [text for _, text in row] == [
            task.task,
            task.metric,
            f"{found.baseline:,.1f}",
            f"{found.candidate:,.1f}",
            show_signed(change.value),
            f"{show_signed(change.low)} to {show_signed(change.high)}",
            show_p(task.p_holm),
            f"{len(found.gained)}",
            f"{len(found.lost)}",
            f"{found.samples}",
            task.verdict,
        ]
        assert float(row[4][0]) == change.value
        assert [float(row[place][0]) for place in (7, 8, 9)] == [
            len(found.gained),
            len(found.lost),
            found.samples,
        ]


def test_facts_count_how_samples_ended_and_why_they_failed(tmp_path: Path) -> None:
    failed = [Prediction("", "", "error", why) for why in ("timeout", "no memory", "timeout")]
    answers = [Prediction("", "a red ball"), *failed, *[Prediction("", "A")] * 3]
    run_of(tmp_path, "seedbench", answers)
    text = render_page(read_subject([tmp_path / "run"]))
    facts = text.split('<ul class="facts">')[1].split("</ul>")[0]
    assert "<li>7 samples: 1 unparsed, 3 failed, 0 missing</li>" in facts
    assert "<li>failed, timeout: 2; no memory: 1</li>" in facts


def test_markdown_names_the_runs_whose_rows_are_gone(two: Subject) -> None:
    runs = (dataclasses.replace(two.runs[0], why_no_rows="x.jsonl: no such file"), *two.runs[1:])
    text = markdown(dataclasses.replace(two, runs=runs))
    assert f"- {runs[0].model}, {runs[0].task.name}: rows not read: x.jsonl: no such file" in text


def test_the_line_where_yes_is_right_stands_there(two: Subject) -> None:
    run = two.of_task("pope")[0]
    figure = yes_share([run])
    assert figure is not None
    marks = [
        float(line.get_xdata()[0])
        for line in figure.axes[0].lines
        if len(line.get_xdata()) == 2 and line.get_color() == INK
    ]
    assert marks == [100 * share.expected / share.n for share in yes_shares(run)]


def test_the_allowed_drop_stands_below_zero(two: Subject) -> None:
    figure = paired(two)
    assert figure is not None
    assert two.comparison is not None
    marks = sorted(
        float(line.get_xdata()[0])
        for axes in figure.axes
        for line in axes.lines
        if len(line.get_xdata()) == 2
        and line.get_color() == INK
        and line.get_xdata()[0] == line.get_xdata()[1] != 0
    )
    assert marks == sorted(-task.max_drop for task in two.comparison.tasks)


def test_bars_of_stages_are_as_long_as_they_took(two: Subject) -> None:
    run = two.of_task("pope")[0]
    efforts = [{"answered": 324, "seconds": 9.0, "stages": {"prefill": 4.0, "decode": 3.5}}]
    side = dataclasses.replace(run.side, run={**run.side.run, "efforts": efforts})
    figure = speed([dataclasses.replace(run, side=side)])
    assert figure is not None
    bars = [(bar.get_x(), bar.get_width()) for bar in figure.axes[1].patches]
    assert bars == [(0.0, 4.0), (4.0, 3.5)]


def test_a_hollow_marker_has_paper_inside_and_others_have_none(tmp_path: Path) -> None:
    write_run(tmp_path / "pope", result_of("pope", 85.0, known=False))
    write_run(tmp_path / "gqa", result_of("gqa", 61.0))
    figure = forest(Subject(build_leaderboard(find_runs([tmp_path])), (), ("a-model",)), ())
    assert figure is not None
    faces = {
        float(line.get_xdata()[0]): line.get_markerfacecolor()
        for line in figure.axes[0].lines
        if len(line.get_xdata()) == 1
    }
    assert faces == {85.0: PAPER, 61.0: COLOURS[0]}


def test_a_number_that_its_answers_no_longer_give_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replayed(tmp_path / "a" / "pope", "pope", {1}, "a-model")
    subject = read_subject([tmp_path / "a"])
    assert [run.stale for run in subject.runs] == [""]
    true = subject.runs[0].result.headline.value
    path = tmp_path / "a" / "pope" / "result.json"
    content = json.loads(path.read_text())
    content["metrics"]["f1"]["value"] = 66.4
    path.write_text(json.dumps(content))
    words = f"result.json says 66.4, but scored again it is {true:,.1f}"
    assert main(["report", str(tmp_path / "a"), "--out", str(tmp_path / "out")]) == 0
    assert words in capsys.readouterr().err
    assert words in (tmp_path / "out" / "index.html").read_text()
    assert words in markdown(read_subject([tmp_path / "a"])).replace("\\", "")


def test_a_figures_text_has_the_size_of_the_pages(two: Subject) -> None:
    for drawn in draw_all(two):
        markup = as_svg(drawn)
        found = re.search(r'<svg [^>]*width="([\d.]+)"', markup)
        assert found
        assert float(found[1]) == pytest.approx(drawn.figure.get_figwidth() * 72 * 1.5)
