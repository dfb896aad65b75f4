"""By keyboard alone: every control is reached, shows the focus, can be used, and can be left."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chromium import SAMPLE, start_afresh
from page import (
    STOPS,
    at_rest,
    complaints,
    focus_on,
    focused,
    press,
    saved,
    settings,
    shows,
    tab_to,
    until,
    windows,
)
from PIL import Image
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

pytestmark = pytest.mark.browser

_AROUND = 28  # pixels about what has the focus, in which some sign of it must be seen
_LEAVE = """
window.passed = document.activeElement;
while (window.passed.shadowRoot?.activeElement) window.passed = window.passed.shadowRoot.activeElement;
window.passed.blur();
"""
_RETURN = "window.passed.focus()"
_LAST = "PNG"  # the page's last stop, from which Tab enters an open popover
_TOOLTIP = "[role=tooltip], [data-testid=stTooltipContent]"
_MUST_REACH = {
    "Skip to main content",
    "Overview",
    "Accuracy",
    "Main menu",
    "Grace Hopper",
    "Upload",
    "Camera",
    "Side by side",
    "Confidence",
    "Filters and display",
    "Network input and weights",
    "Draw a box",
    "Zoom out",
    "Zoom in",
    "Show the whole photo",
    "Data (CSV)",
    "Annotated photos (PNG)",
    "Annotated photos (JPEG)",
    "Faces (JSON)",
    "Faces (CSV)",
    "V1 faces (COCO)",
    "V2 faces (COCO)",
}


def test_tab_passes_every_control_and_shows_where_it_is(window: WebDriver, address: str) -> None:
    window.get(f"{address}/detection")
    until(window, shows("Solvay 1927"))
    until(window, at_rest)
    forth, unseen = set(), []
    for stop in _walk(window):
        forth.add(stop["name"])
        if not _seen(window, stop):
            unseen.append(stop["name"])
    assert forth >= _MUST_REACH
    assert unseen == []
    assert {stop["name"] for stop in _walk(window, shift=True)} == forth


def test_every_control_obeys_keys_and_the_link_restores_it(
    window: WebDriver, address: str, tmp_path: Path
) -> None:
    window.get(f"{address}/detection")
    until(window, shows("Solvay 1927"))
    until(window, at_rest)

    press(window, Keys.TAB, Keys.ENTER)  # the link that skips what every page begins with
    assert focused(window)["tag"] == "main"
    _use(window, "Compute cost", Keys.ENTER, "/flops", after="Architecture")
    _use(window, "Detection", Keys.ENTER, "/detection", after="Overview")
    until(window, shows("Solvay 1927"))

    _use(window, "Grace Hopper", Keys.ENTER, "photo=grace_hopper", after="Size ladder")
    _use(window, "Confidence", Keys.ARROW_RIGHT * 10, "conf=0.6")
    _use(window, "Filters and display", Keys.ENTER)
    _use(window, "NMS IoU", Keys.ARROW_LEFT, "nms=0.35", after=_LAST)
    press(window, Keys.ESCAPE)
    _use(window, "Filters and display", Keys.ENTER, after="Confidence")
    _use(window, "Same thresholds for both models", Keys.SPACE, "linked=false", after=_LAST)
    _use(window, "V1: NMS IoU", Keys.ARROW_LEFT, "nms_v1=0.3")
    _use(window, "V2: NMS IoU", Keys.END, "nms_v2=0.9")
    for name in ("Landmarks", "Scores"):
        _use(window, name, Keys.SPACE, f"{name.lower()}=false")
    _use(window, "Show differences only", Keys.SPACE, "differences=true")
    _use(window, "Ground truth", Keys.SPACE, "truth=true")
    _use(window, "Off", Keys.ARROW_RIGHT + Keys.SPACE, "faces=Blur")
    press(window, Keys.ESCAPE)
    _use(window, "V1: Confidence", Keys.ARROW_LEFT, "conf_v1=0.59", after="Side by side")
    _use(window, "V2: Confidence", Keys.HOME, "conf_v2=0.02")

    _use(window, "Network input and weights", Keys.ENTER)
    _use(window, "Fit, keep aspect ratio", Keys.ARROW_RIGHT * 2 + Keys.SPACE, "resize=Stretch", after=_LAST)
    _use(window, "Input size: square (px)", Keys.ARROW_LEFT, "input_size=608")
    press(window, Keys.ESCAPE)
    until(window, shows("Grace Hopper"))
    whole = windows(window)
    _use(window, "Zoom in", Keys.ENTER)
    until(window, lambda _: windows(window) != whole)
    near = windows(window)
    tab_to(window, "Grace Hopper", role="img")
    press(window, Keys.ARROW_RIGHT)
    until(window, lambda _: windows(window) != near)
    press(window, "0")
    until(window, lambda _: windows(window) == whole)

    _use(window, "Side by side", Keys.ARROW_RIGHT + Keys.SPACE, "view=Wipe", after="Camera")
    until(window, at_rest)

    _use(window, "Faces (JSON)", Keys.ENTER, after="Annotated photos (JPEG)")
    document = json.loads(saved(window, tmp_path / "Grace Hopper.faces.json"))
    pressed = {"confidence": 0.59, "nms_iou": 0.3, "resize": "study", "input_size": 608}
    assert document["settings"]["v1"].items() >= pressed.items()

    chosen, copied = settings(window), window.current_url
    assert complaints(window, address) == []

    start_afresh(window, tmp_path)  # as another person
    window.get(copied)
    until(window, shows("Grace Hopper"))
    _use(window, "Network input and weights", Keys.ENTER, after="Filters and display")
    until(window, lambda _: settings(window) == chosen)
    assert complaints(window, address) == []


def test_files_are_chosen_without_a_mouse(window: WebDriver, address: str, tmp_path: Path) -> None:
    photo = tmp_path / "portrait.jpg"
    with Image.open(SAMPLE) as image:  # the sample itself would only be selected
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(photo)
    window.get(f"{address}/detection")
    until(window, shows("Solvay 1927"))
    window.execute_cdp_cmd("Page.setInterceptFileChooserDialog", {"enabled": True})
    _use(window, "Upload", Keys.ENTER)
    chooser = until(window, _file_chooser)
    window.execute_cdp_cmd(
        "DOM.setFileInputFiles", {"files": [str(photo)], "backendNodeId": chooser["backendNodeId"]}
    )
    until(window, shows("portrait.jpg"))


def _use(window: WebDriver, name: str, keys: str, address: str = "", after: str = "") -> None:
    """Tab to a control, press keys there and wait for what the page's address then holds.

    With `after`, Tab goes on from that stop of the walk in the test above, which passes all of them.
    """
    if after:
        focus_on(window, after)
    tab_to(window, name)
    press(window, *keys)
    until(window, lambda _: address in window.current_url)


def _file_chooser(window: WebDriver) -> dict[str, object] | None:
    events = (json.loads(entry["message"])["message"] for entry in window.get_log("performance"))
    return next((event["params"] for event in events if event["method"] == "Page.fileChooserOpened"), None)


def _walk(window: WebDriver, *, shift: bool = False) -> Iterator[dict[str, object]]:
    """Press Tab until the page ends, and yield what gets the focus; a table is one stop with many cells."""
    before = None
    for _ in range(STOPS):
        press(window, Keys.TAB, shift=shift)
        stop = focused(window)
        if stop is None:
            return
        if (stop["name"], stop["tag"]) != before:
            before = stop["name"], stop["tag"]
            yield stop
    raise AssertionError(f"Tab does not leave {before}.")


def _seen(window: WebDriver, stop: dict[str, object]) -> bool:
    """Say whether what has the focus looks different without it, or else shows a tooltip."""
    part = {
        "x": max(0, stop["x"] - _AROUND),
        "y": max(0, stop["y"] - _AROUND),
        "width": stop["width"] + 2 * _AROUND,
        "height": stop["height"] + 2 * _AROUND,
        "scale": 1,
    }
    with_focus = _screenshot(window, part)
    window.execute_script(_LEAVE)
    if _comes_true(window, lambda _: _screenshot(window, part) != with_focus, 2):
        return True
    window.execute_script(_RETURN)
    return _comes_true(window, lambda _: window.find_elements(By.CSS_SELECTOR, _TOOLTIP), 30)


def _comes_true(window: WebDriver, condition: Callable[[WebDriver], object], seconds: int) -> bool:
    try:
        WebDriverWait(window, seconds).until(condition)
    except TimeoutException:
        return False
    return True


def _screenshot(window: WebDriver, part: dict[str, float]) -> str:
    return window.execute_cdp_cmd("Page.captureScreenshot", {"clip": part, "optimizeForSpeed": True})["data"]
