"""A drop of files with odd names: photos are taken by their content, the others are named in one summary."""

from __future__ import annotations

from pathlib import Path

import pytest
from chromium import SAMPLE
from page import add_photos, at_rest, complaints, until
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

pytestmark = pytest.mark.browser

PHOTOS = ("photo", "a.jpg_large", "IMG!d", "really.HEIC", "n" * 240 + ".jpeg")


def test_a_drop_of_files_with_odd_names(window: WebDriver, address: str, tmp_path: Path) -> None:
    files = []
    with Image.open(SAMPLE) as sample:
        for number, name in enumerate(PHOTOS):
            files.append(tmp_path / name)
            sample.crop((number, 0, sample.width, sample.height)).save(files[-1], "JPEG")
    for name in ("notes.txt", "cut.jpg", "empty"):
        files.append(tmp_path / name)
        files[-1].write_bytes(b"" if name == "empty" else SAMPLE.read_bytes()[:400])
    window.get(f"{address}/detection")
    until(window, at_rest)

    add_photos(window, *files)
    until(window, lambda _: shown_photos(window) == len(PHOTOS) and at_rest(window))
    (refused,) = window.find_elements(By.XPATH, "//details[contains(., '3 files were not added')]")
    assert refused.get_dom_attribute("open") is None  # closed, so that it does not push the photos away
    assert refused.size["height"] < 60
    refused.find_element(By.TAG_NAME, "summary").click()
    until(window, lambda _: all(name in refused.text for name in ("notes.txt", "cut.jpg", "empty")))
    assert complaints(window, address) == []


def shown_photos(window: WebDriver) -> int:
    """Return how many of the tiles are a person's own photos."""
    return len(window.find_elements(By.CSS_SELECTOR, "main img[alt$='your own photo']"))
