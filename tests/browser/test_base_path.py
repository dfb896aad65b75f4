"""The dashboard below a path, as a proxy serves it: every address that a page asks for keeps the path."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from page import complaints, in_viewer, link, shows, until
from selenium.webdriver.remote.webdriver import WebDriver

from benchmarks.visitor import served

pytestmark = pytest.mark.browser

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


@pytest.fixture(scope="module")
def below_a_path(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the dashboard below `/tools/faces` and return its address."""
    log = tmp_path_factory.mktemp("server") / "log.txt"
    with served(weights, log, base_path="tools/faces") as dashboard:
        yield dashboard.address


def test_photos_are_shown_below_a_path(window: WebDriver, below_a_path: str) -> None:
    window.get(f"{below_a_path}/detection?photo=grace_hopper")
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
    assert complaints(window, below_a_path) == []
