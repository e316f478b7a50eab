"""The report and the pictures in a real browser: readable everywhere, by keyboard, without script, for everyone."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from qloratory.labels import IGNORED
from qloratory.picture import padding_picture, side_by_side, token_strip
from qloratory.report import write_report
from report_runs import make_inspection, write_run

WIDTHS = (320, 360, 1280)  # pixels: the narrowest that accessibility rules ask for, a phone, a laptop
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

if CHROMIUM is None and not os.environ.get("CI"):  # in CI a missing browser fails the tests instead
    pytest.skip("no Chromium here: `make tools` installs it", allow_module_level=True)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = write_run(tmp_path_factory.mktemp("browser"))
    write_report(run)
    return run.report


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All pictures on a page that is not ours, as a notebook shows them."""
    inspection = make_inspection()
    untested = {"when": "Before", "text": "Sure!\ndef f(x):\n    return x", "how": "9 tokens", "reason": "not run"}
    failed = {"when": "After", "text": "def f(x: int):\n    return x", "how": "8 tokens", "reason": "NameError"}
    answers: list[dict[str, Any]] = [
        {**untested, "rules": {"one_function": True}, "tests": None},
        {**failed, "rules": {"type_hints": False}, "tests": False},
    ]
    fragments = [
        token_strip(inspection["example"]["tokens"]),
        padding_picture(inspection["batch"]["rows"]),
        side_by_side("Write f.", answers),
    ]
    path = tmp_path_factory.mktemp("pictures") / "pictures.html"
    body = "<main><h1>A notebook</h1>" + "".join(f"<section>{fragment}</section>" for fragment in fragments) + "</main>"
    path.write_text(f'<!DOCTYPE html><html lang="en"><title>Pictures</title><body>{body}</body></html>', "utf-8")
    return path


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser
        browser.close()


def open_page(chromium: Browser, path: Path, width: int = 1280, scheme: Any = "light", **options: Any) -> Page:
    """The page, loaded; scripts of ours (axe, measurements) run in spite of its policy."""
    context = chromium.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True, **options
    )
    page = context.new_page()
    page.goto(path.absolute().as_uri())
    return page


def found_by_axe(page: Page) -> list[str]:
    """Every finding of axe-core, with the places."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{violation['impact']}: {violation['id']} at {[node['target'] for node in violation['nodes']]}"
        for violation in violations
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing_in_the_report(chromium: Browser, report: Path, width: int, scheme: str) -> None:
    assert found_by_axe(open_page(chromium, report, width, scheme)) == []


def test_axe_does_find_what_is_wrong(chromium: Browser, report: Path) -> None:
    """Without this, a check that never runs would look like a page without fault."""
    page = open_page(chromium, report)
    page.evaluate("document.querySelector('p').style.color = '#ccc'")
    page.evaluate("document.documentElement.removeAttribute('lang')")
    found = " ".join(found_by_axe(page))
    assert "serious: color-contrast" in found
    assert "serious: html-has-lang" in found


@pytest.mark.parametrize("ground", ["#ffffff", "#111111"])
def test_axe_finds_nothing_in_a_notebooks_pictures(chromium: Browser, pictures: Path, ground: str) -> None:
    """On a white and on a dark notebook alike: their heading is the notebook's own, and is left out."""
    page = open_page(chromium, pictures)
    page.evaluate("([ground]) => { document.body.style.background = ground }", [ground])
    page.evaluate("document.querySelector('h1').style.color = '#808080'")
    page.evaluate("document.querySelector('h1').style.background = '#000000'")
    assert found_by_axe(page) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(chromium: Browser, report: Path, pictures: Path, width: int) -> None:
    for path in (report, pictures):
        page = open_page(chromium, path, width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path.name


def test_a_page_that_is_too_wide_would_be_found(chromium: Browser, report: Path) -> None:
    page = open_page(chromium, report, 360)
    page.evaluate("document.querySelector('h1').style.minWidth = '500px'")
    assert page.evaluate("document.documentElement.scrollWidth") > 360


def test_light_and_dark_are_two_grounds(chromium: Browser, report: Path) -> None:
    grounds = [
        open_page(chromium, report, scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    ]
    assert grounds == ["rgb(255, 255, 255)", "rgb(20, 23, 27)"]


def test_the_text_needs_no_script(chromium: Browser, report: Path) -> None:
    """`textContent` is read by the browser's driver, which works where the page's scripts are off."""
    texts = [open_page(chromium, report, java_script_enabled=enabled).text_content("body") for enabled in (True, False)]
    assert texts[0] == texts[1]
    assert "Answers fully in style" in str(texts[0])


def test_the_page_asks_for_nothing_and_complains_of_nothing(chromium: Browser, report: Path) -> None:
    requests: list[str] = []
    complaints: list[str] = []
    page = chromium.new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(report.absolute().as_uri())
    page.wait_for_load_state("networkidle")
    assert requests == [report.absolute().as_uri()]
    assert complaints == []


def test_tab_reaches_everything_in_the_readers_order(chromium: Browser, report: Path) -> None:
    """The skip link first, then the sections' links, then every region that may scroll; each is seen to have focus."""
    page = open_page(chromium, report, 360)
    expected = page.locator("a, [tabindex='0']").count()
    tops, names = [], []
    for _ in range(expected):
        page.keyboard.press("Tab")
        focused = cast(
            dict[str, Any],
            page.evaluate(
                """() => { const at = document.activeElement, style = getComputedStyle(at);
                return { name: at.getAttribute('aria-label') || at.textContent, outline: style.outlineStyle,
                         top: at.getBoundingClientRect().top + scrollY } }"""
            ),
        )
        assert focused["outline"] == "solid", focused["name"]
        names.append(focused["name"])
        tops.append(focused["top"])
    assert names[:2] == ["Skip to the results", "Scores"]
    assert tops[1:] == sorted(tops[1:])
    assert "Scores with 95 % confidence intervals" in names
    assert len(names) == expected


def test_the_skip_link_skips(chromium: Browser, report: Path) -> None:
    page = open_page(chromium, report)
    page.keyboard.press("Tab")
    page.wait_for_function("document.activeElement.getBoundingClientRect().top >= 0")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_a_scrolling_region_scrolls_by_keyboard(chromium: Browser, report: Path) -> None:
    page = open_page(chromium, report, 320)
    wide = page.locator(".scroll").filter(has_text="Mean KL, nats")
    wide.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0")


def test_masked_and_learnt_tokens_differ_without_colour(chromium: Browser, report: Path) -> None:
    page = open_page(chromium, report)
    borders = [
        page.locator(f".token.{kind}").first.evaluate("token => getComputedStyle(token).borderTopStyle")
        for kind in ("masked", "learnt")
    ]
    assert borders == ["dashed", "solid"]
    assert str(IGNORED) in page.locator(".token.masked").first.inner_text()
