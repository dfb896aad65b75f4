"""Every page as shipped, light and dark, and narrow: accessible, not cut off, no errors.

The dashboard lies below a path, as behind a proxy: every address that a page asks for keeps the path.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from chromium import prefer, resize
from page import at_rest, complaints, in_viewer, link, shows, until
from selenium.webdriver.remote.webdriver import WebDriver

pytestmark = pytest.mark.browser

# The package is installed for its copy of axe-core; Selenium drives the browser.
_AXE = Path(find_spec("axe_playwright_python").origin).with_name("axe.min.js").read_text(encoding="utf-8")
_RUN_AXE = """
const done = arguments[arguments.length - 1];
const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
axe.run(document, { runOnly: tags, resultTypes: ["violations"] }).then(
  ({ violations }) => done(
    violations
      .filter(({ impact }) => ["serious", "critical"].includes(impact))
      .flatMap(({ id, nodes }) => nodes.map(({ target, html, any }) =>
        `${id}: ${any[0]?.message ?? ""} ${html.slice(0, 200)} at ${target}`)),
  ),
  (error) => done([`axe: ${error}`]),
);
"""
# Text that is cut off by an element that does not scroll. Text with a tooltip may end in an ellipsis.
_CUT = """
const cut = [];
const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
const range = document.createRange();
for (let text = walker.nextNode(); text; text = walker.nextNode()) {
  const parent = text.parentElement;
  if (!text.textContent.trim() || !parent.checkVisibility({ opacityProperty: true })) continue;
  if (parent.closest("svg, canvas, style, script, [aria-hidden=true], .stTooltipHoverTarget")) continue;
  range.selectNodeContents(text);
  const { left, right, width } = range.getBoundingClientRect();
  if (width < 2) continue; // for screen readers alone
  let [from, to] = [-Infinity, Infinity];
  for (let frame = parent; frame; frame = frame.parentElement) {
    const { overflowX } = getComputedStyle(frame);
    if (["auto", "scroll"].includes(overflowX)) break;
    if (overflowX === "visible") continue;
    const edge = frame.getBoundingClientRect();
    [from, to] = [Math.max(from, edge.left), Math.min(to, edge.right)];
  }
  if (left < from - 1 || right > to + 1) cut.push(text.textContent.trim());
}
return cut;
"""
# Whether the photo behind each view can be decoded, by the address in it.
_PHOTOS = """
const [images, done] = arguments;
Promise.all([...images].map(async (shown) => {
  const image = new Image();
  image.src = shown.getAttribute("href");
  await image.decode().catch(() => null);
  return [new URL(image.src).pathname, image.naturalWidth];
})).then(done);
"""
_WIDER = "return document.querySelector('main').scrollWidth > document.querySelector('main').clientWidth"
_ERRORS = (
    "return document.querySelectorAll('[data-testid=stException], [data-testid=stAlertContentError]').length"
)
_TAB = "return document.querySelector('main [role=tab][aria-selected=true]').innerText.trim()"
_VIEWS = ((1440, False), (420, True))  # width in pixels, dark
_SIDEBAR_IN_DARK = 1440, True  # the same on every page, and hidden in a narrow window
_PAGES = (
    "",
    "?demo=1",
    "?demo=1&step=2",
    "?demo=1&step=3",
    "?demo=1&step=4",
    "?demo=1&step=5",
    "?demo=1&step=6",
    "claims",
    "detection",
    "detection?photo=mill_workers&view=Wipe",
    "detection?view=All+photos",
    "live",
    "video",
    "architecture",
    "architecture?architecture=Layers",
    "architecture?architecture=Diagram",
    "architecture?architecture=Anchors+and+receptive+fields",
    "flops",
    "flops?cost=By+layer",
    "flops?cost=By+input+size",
    "flops?cost=Roofline",
    "flops?cost=Counters",
    "speed",
    "deploy",
    "accuracy",
    "robustness",
)


@pytest.mark.parametrize("page", _PAGES)
def test_page_in_every_view(window: WebDriver, shipped: str, page: str) -> None:
    findings = []
    window.get(f"{shipped}/{page}")
    window.execute_script(_AXE)
    for width, dark in (*_VIEWS, *([] if page else [_SIDEBAR_IN_DARK])):
        prefer(window, dark=dark)
        resize(window, width, 1000)
        until(window, lambda _, dark=dark: _is_dark(window) == dark)
        until(window, at_rest)
        view = f"{width} pixels, {'dark' if dark else 'light'}"
        findings += [f"{view}: {finding}" for finding in window.execute_async_script(_RUN_AXE)]
        findings += [f"{view}: cut off: {text}" for text in window.execute_script(_CUT)]
        if window.execute_script(_WIDER):
            findings.append(f"{view}: scrolls sideways")
    assert findings == []
    if page.startswith(("architecture?", "flops?")):  # a tab that was renamed would open the first one
        assert window.execute_script(_TAB) == page.partition("=")[2].replace("+", " ")
    assert window.execute_script(_ERRORS) == 0
    assert complaints(window, shipped) == []


def _is_dark(window: WebDriver) -> bool:
    ground = "return getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
    return (
        sum(map(int, window.execute_script(ground).removeprefix("rgb(").removesuffix(")").split(","))) < 384
    )


def test_photos_are_shown_below_a_path(window: WebDriver, shipped: str) -> None:
    window.get(f"{shipped}/detection?photo=grace_hopper")
    until(window, shows("Grace Hopper"))
    photos = window.execute_async_script(_PHOTOS, in_viewer(window, ".view image"))
    assert len(photos) == 2
    for path, width in photos:
        assert path.startswith("/tools/faces/media/")
        assert width > 100
    link(window, "architecture").click()
    until(window, lambda _: "/tools/faces/architecture" in window.current_url)
    link(window, "detection").click()
    until(window, shows("Grace Hopper"))
    assert all(
        width > 100 for _, width in window.execute_async_script(_PHOTOS, in_viewer(window, ".view image"))
    )
    assert complaints(window, shipped) == []
