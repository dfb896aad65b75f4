"""The dashboard below a path, as a proxy serves it: every address that a page asks for keeps the path."""

from __future__ import annotations

import pytest
from page import complaints, in_viewer, link, shows, until
from selenium.webdriver.remote.webdriver import WebDriver

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
