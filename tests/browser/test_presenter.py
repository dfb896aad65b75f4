"""Presenter mode by arrow keys, copied links, and the report on paper, in a browser."""

from __future__ import annotations

import base64
from pathlib import Path

import pypdfium2
import pytest
from page import at_rest, button, press, until
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver

from featherface.config import DEFAULT_INPUT_SIZE
from featherface.models import MODELS
from featherface.profiling.complexity import cost
from featherface.profiling.machine import now, this_machine
from featherface.profiling.quantisation import QuantisedSize
from featherface.reporting.html_report import html_report
from featherface.study.measurements import Measurements, ModelMeasurements
from featherface.study.story import Evidence, story

pytestmark = pytest.mark.browser
COPY = """
const host = document.querySelector("[data-testid=stBidiComponentIsolated]");
return host.shadowRoot.querySelector("button");
"""


def shows(window: WebDriver, text: str) -> None:
    until(window, lambda _: at_rest(window) and text in window.find_element(By.TAG_NAME, "main").text)


def test_arrow_keys_walk_through_the_steps_and_escape_leaves(window: WebDriver, address: str) -> None:
    window.get(f"{address}/")
    until(window, at_rest)
    button(window, "Presenter mode").click()
    shows(window, "Step 1 of 6: Size")
    for number, topic in enumerate(("Speed", "Portraits", "Crowds", "Blur", "Recommendations"), 2):
        press(window, Keys.ARROW_RIGHT)
        shows(window, f"Step {number} of 6: {topic}")
        assert f"step={number}" in window.current_url
    press(window, Keys.ARROW_LEFT)
    shows(window, "Step 5 of 6: Blur")
    press(window, Keys.ESCAPE)
    shows(window, "What you gain with V2")
    assert "demo" not in window.current_url


def test_the_copied_link_opens_the_same_state(window: WebDriver, address: str) -> None:
    window.get(f"{address}/?demo=1&step=3")
    shows(window, "Step 3 of 6")
    permission = {"origin": address, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    window.execute_cdp_cmd("Browser.grantPermissions", permission)
    copy = window.execute_script(COPY)
    copy.click()
    until(window, lambda _: copy.text == "Link copied")
    read = "const done = arguments[0]; navigator.clipboard.readText().then(done, () => done(''))"
    assert window.execute_async_script(read) == window.current_url == f"{address}/?demo=1&step=3"


def test_a_browser_without_a_clipboard_copies_all_the_same(window: WebDriver, address: str) -> None:
    """As on plain HTTP: the selection of a text field is copied."""
    window.get(f"{address}/claims")
    until(window, at_rest)
    window.execute_script(
        "Object.defineProperty(navigator, 'clipboard', { value: undefined });"
        "document.addEventListener('copy', () => (window.copied = document.activeElement.value));"
    )
    copy = window.execute_script(COPY)
    copy.click()
    until(window, lambda _: copy.text == "Link copied")
    assert window.execute_script("return window.copied") == f"{address}/claims"


def test_the_html_report_prints_to_full_a4_pages(window: WebDriver, tmp_path: Path) -> None:
    size = QuantisedSize(1, 1, 1, 1)
    models = {
        key: ModelMeasurements(cost(key, DEFAULT_INPUT_SIZE), 1_000_000, size, "seeded") for key in MODELS
    }
    measured = Measurements(now(), this_machine(), models)
    report = tmp_path / "report.html"
    report.write_text(html_report(measured, [], steps=story(measured, Evidence())), encoding="utf-8")
    window.get(report.as_uri())
    until(window, lambda _: window.find_elements(By.CSS_SELECTOR, ".plotly-graph-div svg"))
    printed = window.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True, "printBackground": True})
    with pypdfium2.PdfDocument(base64.b64decode(printed["data"])) as document:
        for page in document:
            assert tuple(map(round, page.get_size())) in ((595, 842), (596, 842))
            drawn = page.render(scale=0.5)
            assert len(drawn.to_pil().convert("RGB").getcolors(2**24)) > 10  # not blank
            drawn.close()
            page.close()
