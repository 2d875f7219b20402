"""The browser's state is its address: links, filters, history, and what cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from llava_eval.report.build import build_report
from llava_eval.report.subject import Subject, read_subject
from tests.boards import replayed
from tests.browsing import chromium, listed, opened

pytestmark = pytest.mark.slow

TASKS = (
    "vqav2",
    "gqa",
    "vizwiz",
    "scienceqa",
    "textvqa",
    "pope",
    "mme",
    "mmbench",
    "mmbench_cn",
    "seedbench",
)
WRONG_BEFORE, WRONG_AFTER = {0, 1, 2, 9, 17}, {2, 3, 4, 5, 6, 8, 10, 23, 31}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """Two models on every benchmark that needs no judge."""
    root = tmp_path_factory.mktemp("two")
    for task in TASKS:
        replayed(root / "before" / task, task, WRONG_BEFORE, "before")
        replayed(root / "after" / task, task, WRONG_AFTER, "after")
    return read_subject([root / "before", root / "after"])


@pytest.fixture(scope="module")
def report(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_report(subject, tmp_path_factory.mktemp("report"), "thumbnails").page.parent


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five models on POPE."""
    root = tmp_path_factory.mktemp("five")
    for place in range(5):
        wrong = {n for n in range(324) if n % (5 + place) == 0}
        replayed(root / f"m{place}" / "pope", "pope", wrong, f"model-{place}")
    build_report(read_subject([root]), root / "report", "thumbnails")
    return root / "report"


def options(page: Page) -> Locator:
    return page.locator("#samples-list [role=option]")


def count_of(page: Page) -> Locator:
    return page.locator("#samples-count")


def address(page: Page, ending: str) -> None:
    """Wait until the address ends so."""
    page.wait_for_function("(ending) => location.hash === ending", arg=ending)


@pytest.mark.parametrize("task", TASKS)
def test_the_counts_of_differences_lead_to_as_many_samples(
    browser: Browser, subject: Subject, report: Path, task: str
) -> None:
    assert subject.comparison is not None
    found = next(each for each in subject.comparison.tasks if each.task == task).measured
    assert found.gained
    assert found.lost
    with opened(browser, report) as page:
        for direction in ("gained", "lost"):
            units = len(getattr(found, direction))
            link = page.locator(f"#differences a[href='#/{task}?change={direction}']")
            assert link.inner_text() == f"{units}"
            link.click()
            if task.startswith("mmbench"):
                expect(count_of(page)).to_contain_text(f", in {units} circle")
            else:
                expect(count_of(page)).to_contain_text(f"{units} of ")
            page.go_back()
            expect(page.locator("#filter-change")).to_have_value("")


@pytest.mark.parametrize("task", ["scienceqa", "mme", "gqa"])
def test_a_group_of_the_page_leads_to_its_samples(
    browser: Browser, subject: Subject, report: Path, task: str
) -> None:
    run = subject.of_task(task)[1]
    with opened(browser, report) as page:
        links = page.locator(f"#run-{task}-1 table.groups th a")
        assert links.count() > 4
        for place in (0, links.count() - 1):
            name = links.nth(place).inner_text()
            wanted = {"attribute": "attr", "object": "obj", "relation": "rel"}.get(name, name)
            asked = [s for s in run.scores if wanted in s.sample.groups.values()]
            links.nth(place).click()
            expect(count_of(page)).to_have_text(f"{len(asked)} of {len(run.scores)} samples")
            expect(page.locator("#filter-run")).to_have_value("1")


def test_counts_of_unparsed_answers_lead_to_them(browser: Browser, report: Path) -> None:
    with opened(browser, report) as page:
        beside = page.locator(".board a", has_text="9u").first
        beside.click()
        assert listed(page) == 9
        expect(page.locator("#filter-outcome")).to_have_value("unparsed")
        page.goto(page.url.split("#")[0])
        page.locator("#run-mmbench-0 .facts a", has_text="5 unparsed").click()
        assert listed(page) == 5
        expect(page.locator("#filter-run")).to_have_value("0")


def test_another_task_leaves_the_sample_of_the_last_one(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/pope/47?outcome=wrong") as page:
        expect(page.locator("#details-title")).to_have_text("47")
        page.locator("#filter-task").select_option("mme")
        expect(page.locator("#details")).to_be_hidden()
        expect(page.locator("[aria-selected=true]")).to_have_count(0)
        address(page, "#/mme")
        assert listed(page) == options(page).first.evaluate("(row) => Number(row.ariaSetSize)")
        page.go_back()
        expect(page.locator("#details-title")).to_have_text("47")
        expect(page.locator("#filter-outcome")).to_have_value("wrong")


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("begin", ["#/pope", ""])
def test_back_leaves_a_sample(browser: Browser, report: Path, width: int, begin: str) -> None:
    with opened(browser, report, begin, width=width) as page:
        first = page.locator("#filter-task").input_value()
        options(page).nth(1).click()
        expect(page.locator("#details")).to_be_visible()
        page.go_back()
        expect(page.locator("#details")).to_be_hidden()
        expect(options(page).first).to_be_visible()
        page.go_forward()
        expect(page.locator("#details")).to_be_visible()
        expect(page.locator("#filter-task")).to_have_value(first)


def test_the_same_link_leads_there_again(browser: Browser, report: Path) -> None:
    with opened(browser, report) as page:
        link = page.locator("#differences a[href='#/pope?change=lost']")
        link.click()
        few = listed(page)
        page.get_by_role("button", name="Clear filters").click()
        expect(count_of(page)).to_have_text("324 of 324 samples")
        link.click()
        assert listed(page) == few < 324
        page.evaluate("scrollTo(0, 0)")
        link.click()
        expect(page.locator("#samples-title")).to_be_in_viewport()
        number = page.locator(".board a.number[href='#run-pope-0']")
        for _ in range(2):
            number.click()
            expect(page.locator("#run-pope-0 .provenance dl").first).to_be_visible()
            page.locator("#run-pope-0 summary").click()


@pytest.mark.parametrize(
    ("written", "words", "count"),
    [
        ("#/", "this address names no task", 0),
        ("#/pope/", "", 324),
        ("#/nothing/1", "no samples of nothing in this report", 0),
        ("#/%E0%A4%A/1", "no samples of %E0%A4%A in this report", 0),
        ("#/pope?wrong", "no filter “wrong”", 324),
        ("#/pope?outcome=bad", "no outcome “bad” here", 324),
        ("#/pope?group=%zz", "no group “%zz” here", 324),
        ("#/pope?run=7", "no model number 7 here", 324),
        ("#/pope?image=x", "no image “x” here", 324),
        ("#/pope?__proto__=1&constructor=2", "no filter “__proto__”", 324),
        ("#/pope/99999", "no sample 99999 in pope", 324),
    ],
)
def test_an_address_that_cannot_be_followed_says_so(
    browser: Browser, report: Path, written: str, words: str, count: int
) -> None:
    with opened(browser, report, written) as page:
        expect(count_of(page)).to_contain_text(words)
        assert listed(page) == (
            count
            or page.evaluate(
                "Number(document.querySelector('#samples-list [role=option]').ariaSetSize)"
            )
        )
        expect(page.locator("#details")).to_be_hidden()


@pytest.mark.parametrize("written", ["#%", "#%E0%A4%A", "#nothing"])
def test_an_anchor_that_cannot_be_read_stops_nothing(
    browser: Browser, report: Path, written: str
) -> None:
    with opened(browser, report, written) as page:
        assert listed(page) > 0
        options(page).first.click()
        expect(page.locator("#details")).to_be_visible()


@pytest.mark.parametrize("written", ["#/pope?lost/5", "#/pope/5?lost", "#/pope/5?change=lost"])
def test_old_and_new_links_to_a_lost_sample_work(
    browser: Browser, subject: Subject, report: Path, written: str
) -> None:
    assert subject.comparison is not None
    pope = next(each for each in subject.comparison.tasks if each.task == "pope")
    with opened(browser, report, written) as page:
        expect(page.locator("#details-title")).to_have_text("5")
        expect(page.locator("#filter-change")).to_have_value("lost")
        assert listed(page) == len(pope.measured.lost) > 0


def test_lost_of_more_than_two_models_says_what_is_missing(browser: Browser, five: Path) -> None:
    with opened(browser, five, "#/pope?lost") as page:
        expect(count_of(page)).to_contain_text("“lost” needs two models, here are 5 models")
        assert listed(page) == 324
        expect(page.locator("#filter-change")).to_have_value("")
        page.get_by_label("Change").select_option("lost:3")
        address(page, "#/pope?change=lost%3A3")
        assert 0 < listed(page) < 324


def test_the_address_holds_the_filters(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/mme") as page:
        listed(page)
        page.locator("#filter-run").select_option("0")
        page.locator("#filter-group").select_option("existence")
        page.get_by_label("Outcome").select_option("wrong")
        page.get_by_label("Search").fill("is there")
        address(page, "#/mme?run=0&group=existence&outcome=wrong&search=is+there")
        few = listed(page)
        options(page).first.click()
        expect(page.locator("#details")).to_be_visible()
        title = page.locator("#details-title").inner_text()
        page.reload()
        expect(page.locator("#details-title")).to_have_text(title)
        assert listed(page) == few
        expect(page.get_by_label("Search")).to_have_value("is there")
        page.get_by_role("button", name="Clear filters").click()
        page.wait_for_function("() => !location.hash.includes('?')")
        expect(page.locator("#details-title")).to_have_text(title)


def test_another_model_leaves_the_change_against_it(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/pope?change=lost") as page:
        few = listed(page)
        page.locator("#filter-run").select_option("0")
        assert listed(page) == 324
        page.get_by_label("Change").select_option("gained")
        assert listed(page) == few  # what one lost the other gained


@pytest.mark.parametrize(("width", "beside"), [(1280, True), (360, False)])
def test_the_same_image_shows_the_list(
    browser: Browser, report: Path, width: int, beside: bool
) -> None:
    with opened(browser, report, "#/pope/47", width=width) as page:
        page.locator("#same-image").click()
        expect(count_of(page)).not_to_contain_text("324 of")
        expect(options(page).first).to_be_visible()
        details = page.locator("#details")
        expect(details).to_be_visible(visible=beside)
        if beside:
            places = page.evaluate(
                "['listing', 'details'].map((id) => document.getElementById(id)"
                ".getBoundingClientRect()).map(({ top, left }) => [top, left])"
            )
            assert places[0][0] == places[1][0]
            assert places[0][1] < places[1][1]
        page.go_back()
        expect(details).to_be_visible()
        expect(count_of(page)).to_contain_text("324 of")


def test_the_list_shows_the_model_that_is_looked_at_first(browser: Browser, five: Path) -> None:
    with opened(browser, five, "#/pope") as page:
        listed(page)
        page.locator("#filter-run").select_option("model-4 (mini)")
        page.get_by_label("Outcome").select_option("wrong")
        assert listed(page) == len(range(0, 324, 18))  # what is not yes is read as no
        answers = options(page).nth(1).locator(".answer")
        expect(answers).to_have_count(3)
        expect(answers.first).to_have_attribute("title", "model-4 (mini), wrong")
        expect(answers.first).to_contain_text("model-4 (mini), wrong: yes")
        expect(options(page).first.locator(".more")).to_have_text("+2")
        page.get_by_label("Change").select_option("lost:3")
        titles = answers.evaluate_all("(all) => all.map((each) => each.title.split(' ')[0])")
        assert titles == ["model-4", "model-3", "model-0"]
        expect(page.locator("#samples-runs")).to_have_text(
            "Answers of model-4 (mini), model-3 (mini), model-0 (mini) (+2)"
        )


def test_a_linked_row_stands_in_the_middle_of_the_list(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/pope/200") as page:
        chosen = page.locator("[aria-selected=true]")
        expect(chosen).to_be_visible()
        page.wait_for_function(MIDDLE)


MIDDLE = """() => {
  const box = document.getElementById("samples-list").getBoundingClientRect();
  const row = document.querySelector("[aria-selected=true]").getBoundingClientRect();
  return Math.abs((row.top + row.bottom - box.top - box.bottom) / 2) < 100;
}"""


@pytest.mark.parametrize("width", [1280, 360])
def test_a_link_arrives_where_scrolling_is_smooth(
    browser: Browser, report: Path, width: int
) -> None:
    with opened(browser, report, width=width, motion="no-preference") as page:
        listed(page)
        page.locator("#task-mme a[href='#/mme']").click()
        expect(page.locator("#samples-title")).to_be_in_viewport()
        expect(page.locator("#filter-task")).to_have_value("mme")


@pytest.mark.parametrize("width", [1280, 768])
def test_axe_finds_no_fault_with_five_models(browser: Browser, five: Path, width: int) -> None:
    with opened(browser, five, "#/pope/3", width=width) as page:
        expect(page.locator("#details-title")).to_have_text("3")
        found = Axe().run(page).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found] == []


def test_a_file_of_rows_is_read_once(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/pope") as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        for place in (0, 1, 2):
            options(page).nth(place).click()
            expect(page.locator("#details-title")).to_have_text(str(place))
        page.locator("#filter-task").select_option("mme")
        address(page, "#/mme")
        page.locator("#filter-task").select_option("pope")
        address(page, "#/pope")
        assert listed(page) == 324
        names = [url.rsplit("/", 2)[-2:] for url in asked if url.endswith(".js")]
        assert names == [["pope", "rows-0.js"], ["mme", "index.js"]]


def test_a_held_arrow_key_does_not_flood_the_address(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/pope") as page:
        page.evaluate(COUNT_WRITES)
        listed(page)
        page.evaluate(HELD_ARROW)
        expect(page.locator("#details-title")).to_have_text("29")
        address(page, "#/pope/29")
        assert page.evaluate("window.writes") < 30


COUNT_WRITES = """() => {
  window.writes = 0;
  const replace = history.replaceState.bind(history);
  history.replaceState = (...all) => { window.writes += 1; replace(...all); };
}"""

HELD_ARROW = """async () => {
  for (let turn = 0; turn < 30; turn += 1) {
    const down = new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true });
    document.getElementById("samples-list").dispatchEvent(down);
    await new Promise((done) => setTimeout(done));
  }
}"""
