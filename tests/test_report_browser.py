"""The report in a real browser, opened from a file as a reader opens it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, CDPSession, Locator, Page, expect

from llava_eval.engines.replay import ReplayEngine
from llava_eval.records import Prediction
from llava_eval.report.build import build_report
from llava_eval.report.measures import outcomes
from llava_eval.report.subject import TaskRun, read_subject
from llava_eval.resources import resource
from llava_eval.run_folder import RunFolder
from llava_eval.runner import Nobody, run_task
from llava_eval.samples import read_samples
from llava_eval.scoring import score_predictions
from llava_eval.task import load_task
from tests.boards import replayed
from tests.browsing import chromium, listed, opened
from tests.conftest import pope_row

pytestmark = pytest.mark.slow

WRONG_BEFORE, WRONG_AFTER = {0, 1, 2}, {2, 3, 4, 5, 6, 8, 10}
ATTACK = "<script>alert(1)</script><img src=x onerror=alert(2)>"
ODD_ID = "a/b #7?x=1&y=%20é\"'<b>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of POPE and MMBench, with samples lost and gained."""
    root = tmp_path_factory.mktemp("two")
    for task in ("pope", "mmbench"):
        replayed(root / "before" / task, task, WRONG_BEFORE, "before")
        replayed(root / "after" / task, task, WRONG_AFTER, "after")
    subject = read_subject([root / "before", root / "after"])
    build_report(subject, root / "report")
    return root / "report"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which every text that somebody else may write is an attack."""
    root = tmp_path_factory.mktemp("hostile")
    rows = [
        pope_row(0, id=ODD_ID, question=ATTACK, category=ATTACK),
        pope_row(1, id="</script>", question="${alert(3)} {{ 7 * 7 }}"),
        pope_row(2, id="__proto__", question="line\u2028end"),
    ]
    write_rows(root / "pope.jsonl", rows)
    card = load_task("pope")
    data = read_samples(card, str(root / "pope.jsonl"))
    answers = {s.id: Prediction(s.id, ATTACK) for s in data.samples}
    engine = ReplayEngine(answers, ATTACK, "hostile")
    run_task(card, data, engine, ATTACK, root / "runs" / "pope", False, Nobody())
    build_report(read_subject([root / "runs"]), root / "report")
    return root / "report"


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 20,000 samples."""
    root = tmp_path_factory.mktemp("long")
    write_rows(root / "pope.jsonl", [pope_row(number) for number in range(20_000)])
    card = load_task("pope")
    data = read_samples(card, str(root / "pope.jsonl"))
    answers = {s.id: Prediction(s.id, s.references[0]) for s in data.samples}
    identity = {"task": "pope", "model": "long", "data": data.digest}
    with RunFolder.open(root / "run" / "pope", identity, {"source": data.source}) as run:
        run.append(list(answers.values()))
        run.finish(*score_predictions(card, data, answers))
    build_report(read_subject([root / "run"]), root / "report")
    return root / "report"


def write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def runs_of(report: Path, task: str) -> tuple[TaskRun, ...]:
    root = report.parent
    return read_subject([root / "before" / task, root / "after" / task]).runs


def changes_of(report: Path, task: str, direction: str) -> tuple[str, ...]:
    root = report.parent
    comparison = read_subject([root / "before" / task, root / "after" / task]).comparison
    assert comparison is not None
    return getattr(comparison.tasks[0].measured, direction)


def options(page: Page) -> Locator:
    return page.locator("#samples-list [role=option]")


def column(page: Page, place: int) -> list[float]:
    cells = page.locator(f".board tbody tr td:nth-child({place})").evaluate_all(
        "cells => cells.map((cell) => cell.dataset.value)"
    )
    return [float(value) for value in cells if value]


def test_a_column_sorts_from_high_to_low_and_back(browser: Browser, report: Path) -> None:
    with opened(browser, report) as page:
        head = page.locator(".board th", has_text="POPE")
        before = column(page, 2)
        head.get_by_role("button").click()
        assert column(page, 2) == sorted(before, reverse=True) != before
        expect(head).to_have_attribute("aria-sort", "descending")
        head.get_by_role("button").press("Enter")
        assert column(page, 2) == sorted(before)
        expect(head).to_have_attribute("aria-sort", "ascending")


def test_rows_without_a_number_stay_last(browser: Browser, report: Path) -> None:
    with opened(browser, report) as page:
        for _ in range(2):
            page.locator(".board th", has_text="POPE").get_by_role("button").click()
            last = page.locator(".board tbody tr:last-child td:nth-child(2)")
            expect(last).to_have_attribute("data-value", "")


def test_a_number_leads_to_how_it_was_made(browser: Browser, report: Path) -> None:
    with opened(browser, report) as page:
        made = page.locator("#run-pope-0 .provenance dl").first
        expect(made).to_be_hidden()
        page.locator(".board a.number[href='#run-pope-0']").click()
        expect(made).to_be_visible()
        expect(made).to_contain_text("protocol")


def test_a_dagger_says_why_on_hover_and_below(browser: Browser, report: Path) -> None:
    with opened(browser, report) as page:
        mark = page.locator(".board .mark").first
        assert "mini split" in (mark.get_attribute("title") or "")
        mark.click()
        expect(page.locator("#mark-1")).to_contain_text("mini split")
        expect(page.locator("#mark-1")).to_be_in_viewport()


def test_the_wrong_ones_can_be_filtered(browser: Browser, report: Path) -> None:
    before, after = runs_of(report, "pope")
    with opened(browser, report, "#/pope") as page:
        assert listed(page) == 324
        page.get_by_label("Model").select_option(after.model)
        page.get_by_label("Outcome").select_option("wrong")
        assert listed(page) == outcomes(after)["wrong"] == options(page).count()
        page.get_by_label("Model").select_option(before.model)
        assert listed(page) == outcomes(before)["wrong"] != outcomes(after)["wrong"]
        page.get_by_role("button", name="Clear filters").click()
        assert listed(page) == 324


@pytest.mark.parametrize("direction", ["gained", "lost"])
def test_gained_and_lost_can_be_filtered(browser: Browser, report: Path, direction: str) -> None:
    changed = changes_of(report, "pope", direction)
    assert changed
    with opened(browser, report, "#/pope") as page:
        page.get_by_label("Change").select_option(direction)
        assert listed(page) == len(changed)
        options(page).first.click()
        expect(page.locator("#details-title")).to_have_text(changed[0])
    with opened(browser, report) as page:
        page.locator(f"#differences a[href='#/pope?change={direction}']").click()
        expect(page.locator("#samples-count")).to_contain_text(f"{len(changed)} of 324")


def test_a_group_can_be_filtered(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/pope") as page:
        page.locator("#filter-group").select_option("adversarial")
        assert listed(page) == 108


def test_a_search_finds_question_answer_and_id(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/pope") as page:
        page.get_by_label("Search").fill("NOTHING of it")
        expect(page.locator("#samples-count")).to_contain_text("9 of 324")
        page.get_by_label("Search").fill("no such words")
        expect(page.get_by_text("No sample is left")).to_be_visible()


def test_a_sample_shows_the_exact_prompt(browser: Browser, tmp_path: Path) -> None:
    build_report(read_subject([resource("results/baselines/demo/mmbench")]), tmp_path / "report")
    with opened(browser, tmp_path / "report", "#/mmbench") as page:
        options(page).nth(2).click()
        prompt = page.locator("#details").get_by_label("Prompt")
        expect(prompt).to_contain_text("questions. USER: image\nWhat number is shown")
        expect(prompt).to_contain_text("from the given choices directly. ASSISTANT:")
        expect(page.get_by_text("Prompt, exactly as sent")).to_be_visible()


def test_a_sample_shows_all_that_is_known_of_it(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/mmbench") as page:
        options(page).nth(2).click()
        details = page.locator("#details")
        prompt = details.get_by_label("Prompt")
        expect(prompt).to_contain_text("Answer with the option's letter")
        expect(details.locator(".choices li").first).to_contain_text("A.")
        expect(details.locator(".choices .reference")).to_have_count(1)
        expect(details.get_by_label("Raw prediction").first).to_have_text("nothing of it")
        expect(details.get_by_role("heading", name="before")).to_contain_text("unparsed")
        expect(details).to_contain_text("score 0")


def test_a_judges_reply_stands_with_its_sample(browser: Browser, tmp_path: Path) -> None:
    replayed(tmp_path / "run" / "mmvet", "mmvet", set(), "judged")
    sample = read_samples(load_task("mmvet"), "mini").samples[0]
    reply = {"id": sample.id, "replies": ["0.7, for it is mostly right"]}
    (tmp_path / "run" / "mmvet" / "grades.jsonl").write_text(json.dumps(reply) + "\n")
    build_report(read_subject([tmp_path / "run"]), tmp_path / "report")
    with opened(browser, tmp_path / "report", f"#/mmvet/{quote(sample.id, safe='')}") as page:
        expect(page.get_by_label("Judge’s reply")).to_have_text("0.7, for it is mostly right")


def test_the_image_opens_in_full_and_closes(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/pope") as page:
        options(page).first.click()
        page.locator("#picture").click()
        image = page.locator("#image img")
        expect(image).to_be_visible()
        assert image.evaluate("(image) => image.naturalWidth") > 0
        page.keyboard.press("Escape")
        expect(image).to_be_hidden()
        expect(page.locator("#details")).to_be_visible()  # one Escape, one thing closed


def test_the_questions_about_the_same_image_can_be_seen(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/pope") as page:
        options(page).nth(1).click()
        button = page.locator("#same-image")
        alike = int(button.inner_text().split(": ")[1].split()[0])
        button.click()
        assert 1 < listed(page) == alike < 324
        page.get_by_role("button", name="Same image ×").click()
        assert listed(page) == 324


def test_a_deep_link_opens_its_sample_though_the_id_is_odd(browser: Browser, hostile: Path) -> None:
    with opened(browser, hostile, f"#/pope/{quote(ODD_ID, safe='')}") as page:
        expect(page.locator("#details-title")).to_have_text(ODD_ID)
        expect(page.locator("[aria-selected=true]")).to_have_count(1)


def test_back_and_forward_go_from_sample_to_sample(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/pope") as page:
        title = page.locator("#details-title")
        options(page).nth(0).click()
        first = title.inner_text()
        options(page).nth(3).click()
        expect(title).not_to_have_text(first)
        page.go_back()
        expect(title).to_have_text(first)
        page.go_forward()
        expect(title).not_to_have_text(first)


def test_a_link_to_a_sample_that_is_not_there_says_so(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/pope/%E0%A4%A") as page:
        expect(page.locator("#samples-count")).to_contain_text("no sample %E0%A4%A in pope")
    with opened(browser, report, "#/nothing/1") as page:
        expect(page.locator("#samples-count")).to_contain_text("no samples of nothing")


def test_the_keyboard_is_enough(browser: Browser, report: Path) -> None:
    with opened(browser, report, "#/pope") as page:
        listed(page)
        page.locator("h1").click()
        page.keyboard.press("/")
        expect(page.get_by_label("Search")).to_be_focused()
        page.keyboard.type("seven")
        expect(page.locator("#samples-count")).not_to_contain_text("324 of")
        page.keyboard.press("Escape")
        expect(page.locator("#samples-count")).to_contain_text("324 of")
        page.locator("#samples-list").focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        chosen = page.locator("[aria-selected=true]")
        expect(chosen).to_have_attribute("aria-posinset", "2")
        page.keyboard.press("End")
        expect(chosen).to_have_attribute("aria-posinset", "324")
        expect(page.locator("#samples-list")).to_have_attribute(
            "aria-activedescendant", "sample-323"
        )
        page.keyboard.press("Enter")
        expect(page.locator("#details-title")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator("#details")).to_be_hidden()
        expect(page.locator("#samples-list")).to_be_focused()


def background(page: Page) -> str:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_the_theme_is_the_systems_until_somebody_chooses(browser: Browser, report: Path) -> None:
    with opened(browser, report, scheme="dark") as page:
        dark = background(page)
        page.get_by_text("Light", exact=True).click()
        light = background(page)
        assert light != dark
        page.reload()
        assert background(page) == light
        page.get_by_text("Auto", exact=True).click()
        assert background(page) == dark


def test_a_browser_without_storage_has_themes_too(browser: Browser, report: Path) -> None:
    refuse = """Object.defineProperty(window, "localStorage", {
        get() { throw new DOMException("denied", "SecurityError"); } });"""
    with opened(browser, report, scheme="light", before=refuse) as page:
        light = background(page)
        page.get_by_text("Dark", exact=True).click()
        assert background(page) != light


def test_what_others_wrote_stays_text(browser: Browser, hostile: Path) -> None:
    with opened(browser, hostile, f"#/pope/{quote(ODD_ID, safe='')}") as page:
        details = page.locator("#details")
        expect(details.get_by_label("Raw prediction")).to_have_text(ATTACK)
        expect(details.locator(".question")).to_have_text(ATTACK)
        expect(details.get_by_role("heading", name="alert(1)")).to_be_visible()
        expect(page.locator("h1")).to_contain_text(ATTACK)
        assert page.locator("[onerror], [src='x']").count() == 0
        page.locator("#filter-group").select_option(ATTACK)
        assert listed(page) == 1


def test_names_of_objects_are_ids_like_any_other(browser: Browser, hostile: Path) -> None:
    with opened(browser, hostile, "#/pope/__proto__") as page:
        expect(page.locator("#details-title")).to_have_text("__proto__")
        expect(page.locator(".question")).to_have_text("line\u2028end")


def test_the_page_lets_nobody_run_or_ask_anything(browser: Browser, report: Path) -> None:
    refused: list[str] = []
    context = browser.new_context()
    page = context.new_page()
    page.on("console", lambda message: refused.append(message.text))
    page.goto((report / "index.html").as_uri())
    page.evaluate(ATTEMPTS)
    assert page.evaluate("window.ran") is None
    context.close()
    for directive in ("script-src", "img-src", "connect-src"):
        assert any("Content Security Policy" in text and directive in text for text in refused)


ATTEMPTS = """async () => {
  const script = document.createElement("script");
  script.textContent = "window.ran = true";
  document.head.append(script);
  new Image().src = "http://127.0.0.1:9/";
  await fetch("http://127.0.0.1:9/").catch(() => null);
}"""


def test_a_page_without_its_folders_says_what_is_missing(browser: Browser, report: Path) -> None:
    alone = report.parent / "alone"
    alone.mkdir(exist_ok=True)
    (alone / "index.html").write_bytes((report / "index.html").read_bytes())
    context = browser.new_context()
    page = context.new_page()
    page.goto((alone / "index.html").as_uri())
    expect(page.locator("#samples-count")).to_contain_text("data/pope/index.js: cannot be read")
    context.close()


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(
    browser: Browser, report: Path, scheme: str, width: int
) -> None:
    with opened(browser, report, "#/mmbench", width=width, scheme=scheme) as page:
        options(page).nth(2).click()
        expect(page.locator("#details-title")).to_be_visible()
        page.evaluate("document.querySelectorAll('details').forEach((box) => (box.open = true))")
        found = Axe().run(page).response["violations"]
        serious = [
            (each["id"], each["nodes"][0]["html"][:200], each["nodes"][0]["failureSummary"])
            for each in found
            if each["impact"] in ("serious", "critical")
        ]
        assert serious == []


@pytest.mark.parametrize("address", ["", "#/mmbench", "open"])
def test_a_phone_need_not_scroll_sideways(browser: Browser, report: Path, address: str) -> None:
    fragment = "" if address == "open" else address
    with opened(browser, report, fragment, width=360, height=740) as page:
        if address == "open":
            options(page).first.click()
            expect(page.locator("#details-title")).to_be_in_viewport()
            page.get_by_role("button", name="Back to the list").click()
            expect(options(page).first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_twenty_thousand_samples_scroll_smoothly(browser: Browser, long: Path) -> None:
    with opened(browser, long, "#/pope") as page:
        assert listed(page) == 20_000
        metrics = page.context.new_cdp_session(page)
        metrics.send("Performance.enable")
        before = work(metrics)
        frames, most = page.evaluate(SCROLL)
        spent = 1000 * (work(metrics) - before) / len(frames)
        print(
            f"{spent:.1f} ms of work a frame, median frame {sorted(frames)[60]:.1f} ms, {most} rows"
        )
        assert most < 60
        assert spent < 33  # thirty frames a second; a quiet machine does twice as well
        page.locator("#samples-list").focus()
        page.keyboard.press("End")
        expect(page.locator("#details-title")).to_have_text("19999")


def work(metrics: CDPSession) -> float:
    """Return the seconds that scripts, styles and layout have taken so far."""
    found = {
        each["name"]: each["value"] for each in metrics.send("Performance.getMetrics")["metrics"]
    }
    return sum(found[name] for name in ("ScriptDuration", "RecalcStyleDuration", "LayoutDuration"))


SCROLL = """async () => {
  const box = document.getElementById("samples-list");
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const times = [];
  let most = 0;
  let last = await frame();
  for (let turn = 0; turn < 120; turn += 1) {
    box.scrollTop += 400 + turn * 100;
    const now = await frame();
    times.push(now - last);
    last = now;
    most = Math.max(most, box.querySelectorAll("[role=option]").length);
  }
  return [times, most];
}"""


def test_what_is_printed_is_numbers_and_figures(browser: Browser, report: Path) -> None:
    with opened(browser, report, scheme="dark") as page:
        page.emulate_media(media="print")
        expect(page.locator("#samples")).to_be_hidden()
        expect(page.locator(".board")).to_be_visible()
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
        pages = page.pdf().count(b"/Type /Page\n")
        assert 2 <= pages < 60


def test_without_scripts_the_page_says_what_it_lacks(browser: Browser, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((report / "index.html").as_uri())
    expect(page.get_by_text("The samples need JavaScript")).to_be_visible()
    expect(page.locator("#filters")).to_be_hidden()
    expect(page.locator(".board")).to_be_visible()
    context.close()


def test_the_chosen_row_is_seen_where_colours_are_the_systems(
    browser: Browser, report: Path
) -> None:
    with opened(browser, report, "#/pope/3") as page:
        page.emulate_media(forced_colors="active")
        chosen = page.locator("[aria-selected=true]")
        expect(chosen).to_have_css("outline-style", "solid")


def test_the_phones_navigation_is_all_in_sight(browser: Browser, report: Path) -> None:
    with opened(browser, report, width=360) as page:
        for link in page.locator("nav a").all():
            expect(link).to_be_in_viewport(ratio=1)
