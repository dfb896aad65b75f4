"""The Video page in a browser: a clip of bundled samples from the upload to the downloads."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from chromium import ROOT
from page import add_photos, at_rest, button, complaints, in_viewer, saved, shows, until
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

from featherface.models import MODELS
from featherface.video.decoding import decode_frames

pytestmark = pytest.mark.browser

FRAMES = 6
SIZE = 320, 192


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Write a clip in which one sample moves slowly before another one."""
    samples = [cv2.imread(str(ROOT / "assets/samples" / f"{name}.jpg")) for name in ("welder", "solvay_1927")]
    path = tmp_path / "two_scenes.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, SIZE)
    for number in range(FRAMES):
        scene = cv2.resize(samples[number * len(samples) // FRAMES], SIZE, interpolation=cv2.INTER_AREA)
        writer.write(np.roll(scene, 2 * number, axis=1))
    writer.release()
    return path


def headings(window: WebDriver) -> list[str]:
    return [heading.text for heading in window.find_elements(By.CSS_SELECTOR, "main h3")]


def frame_shown(number: int) -> Callable[[WebDriver], bool]:
    title = f"Frame {number} of two_scenes.avi"
    return lambda window: (
        any(heading.startswith(f"Frame {number} at") for heading in headings(window))
        and all(view.get_dom_attribute("aria-label").startswith(title) for view in in_viewer(window, ".view"))
        and at_rest(window)
    )


def choose_point(window: WebDriver, number: int) -> None:
    """Click the marker of a frame in the chart of disagreements."""
    markers = window.find_elements(By.CSS_SELECTOR, "main .xy2 .points path, main .xy2 .points .point")
    window.execute_script("arguments[0].scrollIntoView({ block: 'center' })", markers[number])
    box = markers[number].rect
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    top = window.execute_script("return scrollY")
    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        event = {"type": kind, "x": x, "y": y - top, "button": "left", "clickCount": 1}
        window.execute_cdp_cmd("Input.dispatchMouseEvent", event)


def test_from_upload_to_downloads(window: WebDriver, address: str, clip: Path, tmp_path: Path) -> None:
    window.get(f"{address}/video?video_input_size=320")
    until(window, at_rest)
    assert "100 MB" in window.find_element(By.CSS_SELECTOR, "main").text  # stated before a file is chosen
    add_photos(window, clip)
    until(window, lambda _: window.find_elements(By.XPATH, "//button[normalize-space(.//p)='Analyse video']"))
    until(window, at_rest)
    button(window, "Analyse video").click()
    until(window, lambda _: "Timeline" in headings(window))
    until(window, frame_shown(0))

    _download(window, "Faces (JSON)")
    document = json.loads(saved(window, tmp_path / "two_scenes.faces.json"))
    assert [frame["frame"] for frame in document["frames"]] == list(range(FRAMES))
    for key, view in zip(MODELS, in_viewer(window, ".view"), strict=True):
        found = len(document["frames"][0]["models"][key]["boxes"])
        assert view.get_dom_attribute("aria-label").endswith(f"found {found} faces")
    _download(window, "Faces (CSV)")
    rows = csv.DictReader(io.StringIO(saved(window, tmp_path / "two_scenes.faces.csv").decode()))
    faces = [len(frame["models"][key]["boxes"]) for frame in document["frames"] for key in MODELS]
    assert len(list(rows)) == sum(faces) > 0

    choose_point(window, 3)
    until(window, frame_shown(3))
    button(window, "Next frame").click()
    until(window, frame_shown(4))

    _download(window, "Pixelated video (WebM)")
    hidden = decode_frames(saved(window, tmp_path / "two_scenes.pixelated.webm"), "hidden.webm")
    for plain, shown, found in zip(
        decode_frames(clip.read_bytes(), clip.name), hidden, document["frames"], strict=True
    ):
        boxes = np.array([box for key in MODELS for box in found["models"][key]["boxes"]], int).clip(0)
        for x1, y1, x2, y2 in boxes.tolist():
            before, after = (each.photo.pixels[y1:y2, x1:x2].astype(int) for each in (plain, shown))
            assert before.size == 0 or before.std() < 8 or np.abs(before - after).mean() > 3

    button(window, "Open this frame on the Detection page").click()
    until(window, shows("two_scenes frame 4"))
    assert complaints(window, address) == []


def _download(window: WebDriver, label: str) -> None:
    until(window, at_rest)
    button(window, label).click()
