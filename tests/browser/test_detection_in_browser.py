"""The Detection page as a person uses it: upload, move a slider, zoom, download, share a link."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from chromium import SAMPLE
from page import (
    VIEWER,
    add_photos,
    at_rest,
    button,
    complaints,
    in_viewer,
    link,
    press,
    saved,
    shows,
    until,
    windows,
)
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver

from featherface.config import CANDIDATE_FLOOR, CONFIDENCE_RANGE
from featherface.detection.agreement import agreement_curve
from featherface.detection.drawing import Hide
from featherface.detection.images import decode_photo
from featherface.detection.postprocess import select
from featherface.detection.preprocess import Resize
from featherface.detection.settings import DetectionSettings, Scales
from featherface.models import MODELS
from featherface.reporting.comparison import Comparison, compare
from featherface.serving.model_service import ModelService

pytestmark = pytest.mark.browser


def test_from_upload_to_link(window: WebDriver, address: str, weights: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "portrait.jpg", tmp_path / "broken.png"
    with Image.open(SAMPLE) as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(good)
    bad.write_bytes(b"not an image")
    window.get(f"{address}/detection")
    until(window, shows("Solvay 1927"))  # a first visitor sees a sample

    add_photos(window, good, bad)
    until(window, shows("portrait.jpg"))
    (refused,) = window.find_elements(By.XPATH, "//details[contains(., '1 file was not added')]")
    assert "broken.png" in refused.text
    assert counts(window) == list(expected(weights, good, 0.5).values())

    confidence = window.find_element(By.CSS_SELECTOR, "input[type=range][aria-label=Confidence]")
    window.execute_script("arguments[0].focus()", confidence)
    press(window, *[Keys.ARROW_RIGHT] * 10)
    until(window, lambda _: "conf=0.6" in window.current_url)
    fewer = list(expected(weights, good, 0.6).values())
    until(window, lambda _: counts(window) == fewer)

    link(window, "architecture").click()
    until(window, lambda _: "/architecture" in window.current_url and not in_viewer(window, ".view"))
    link(window, "detection").click()
    until(window, shows("portrait.jpg"))  # the photo and the threshold have stayed
    assert counts(window) == fewer

    window.get(window.current_url)  # as somebody who opens the link: with the threshold, without the photo
    until(window, shows("Solvay 1927"))
    restored = window.find_element(By.CSS_SELECTOR, "input[type=range][aria-label=Confidence]")
    assert float(restored.get_attribute("value")) == 0.6
    assert complaints(window, address) == []


def test_slider_moved_back_and_forth(window: WebDriver, address: str) -> None:
    window.get(f"{address}/detection")
    until(window, shows("Solvay 1927"))
    until(window, at_rest)
    before = counts(window)
    confidence = window.find_element(By.CSS_SELECTOR, "input[type=range][aria-label=Confidence]")
    window.execute_script("arguments[0].focus()", confidence)
    for _ in range(12):  # the page is still busy with earlier moves
        press(window, *[Keys.ARROW_RIGHT] * 10)
        until(window, lambda _: "conf=0.6" in window.current_url)
        press(window, *[Keys.ARROW_LEFT] * 10)
        until(window, lambda _: "conf" not in window.current_url)
    until(window, at_rest)
    assert counts(window) == before


@pytest.mark.parametrize(
    ("query", "settings", "hide"),
    [
        ("", dict.fromkeys(MODELS, DetectionSettings(scales=Scales.AUTO)), None),
        (
            "resize=Original+size&linked=false&conf_v1=0.6&nms_v1=0.3&conf_v2=0.4&nms_v2=0.5"
            "&landmarks=false&scores=false&differences=true&faces=Pixelate",
            {
                "v1": DetectionSettings(0.6, 0.3, resize=Resize.ORIGINAL),
                "v2": DetectionSettings(0.4, 0.5, resize=Resize.ORIGINAL),
            },
            "pixelate",
        ),
    ],
    ids=["as it opens", "all settings changed"],
)
def test_downloads_equal_what_the_package_makes(
    window: WebDriver,
    address: str,
    weights: Path,
    tmp_path: Path,
    query: str,
    settings: dict[str, DetectionSettings],
    hide: Hide | None,
) -> None:
    photo = tmp_path / "portrait.jpg"
    with Image.open(SAMPLE) as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(photo)
    window.get(f"{address}/detection?{query}")
    until(window, shows("Solvay 1927"))
    add_photos(window, photo)
    until(window, shows("portrait.jpg"))
    until(window, at_rest)

    for label in (
        "Faces (JSON)",
        "Faces (CSV)",
        "V1 faces (COCO)",
        "V2 faces (COCO)",
        "Annotated photos (PNG)",
        "Annotated photos (JPEG)",
        "Data (CSV)",
    ):
        button(window, label).click()
    faces = saved(window, tmp_path / "portrait.faces.json")
    found = comparison(weights, photo, settings)

    assert without_latencies(json.loads(faces)) == without_latencies(json.loads(found.to_json()))
    assert saved(window, tmp_path / "portrait.faces.csv").decode() == found.to_csv()
    for key in MODELS:
        assert saved(window, tmp_path / f"portrait.{key}.coco.json").decode() == found.to_coco(key)
    drawing = {"landmarks": not query, "scores": not query, "differences": bool(query), "hide": hide}
    for kind, suffix in (("png", "png"), ("jpeg", "jpg")):
        annotated = found.annotated_file(decode_photo(photo), kind, **drawing)
        assert saved(window, tmp_path / f"portrait.faces.{suffix}") == annotated
    assert saved(window, tmp_path / "faces_by_confidence.csv").decode() == by_confidence(found)
    assert complaints(window, address) == []


def test_zoom_moves_all_views(window: WebDriver, address: str) -> None:
    window.get(f"{address}/detection?photo=grace_hopper")
    until(window, shows("Grace Hopper"))
    until(window, lambda _: all(windows(window)))
    whole = windows(window)
    (bigger,) = in_viewer(window, "[aria-label='Zoom in']")
    bigger.click()
    until(window, lambda _: windows(window) != whole)
    first, second = windows(window)
    assert first == second
    (fit,) = in_viewer(window, "[aria-label='Show the whole photo']")
    fit.click()
    until(window, lambda _: windows(window) == whole)


def test_a_click_in_the_photo_asks_why_a_face_was_missed(window: WebDriver, address: str) -> None:
    window.get(f"{address}/detection?photo=grace_hopper&conf=0.99&scales_fit=false")
    until(window, shows("Grace Hopper"))
    until(window, at_rest)
    view = in_viewer(window, ".view")[0]
    ActionChains(window).move_to_element(view).click().perform()  # the centre of what the window shows of it
    until(window, lambda _: window.find_elements(By.XPATH, "//*[contains(text(), 'Mirrored: ')]"))
    until(window, at_rest)
    x, y = (
        int(window.find_element(By.CSS_SELECTOR, f"input[aria-label='{axis} (px)']").get_attribute("value"))
        for axis in "xy"
    )
    assert abs(x - 256) <= 2
    assert 0 < y < 600
    page = window.find_element(By.TAG_NAME, "body").text
    for entry in MODELS.values():
        assert entry.name in page
    assert complaints(window, address) == []


def test_photo_without_a_face_above_the_threshold(window: WebDriver, address: str) -> None:
    window.get(f"{address}/detection?photo=chelsea_the_cat&conf=0.99")
    until(window, shows("Chelsea the cat"))
    for message in in_viewer(window, ".message"):
        assert message.text.startswith("No face")


def counts(window: WebDriver) -> list[int]:
    """Return how many faces each view shows."""
    return window.execute_script(
        "return [...document.querySelector(arguments[0]).shadowRoot.querySelectorAll('figure')]"
        ".map((figure) => figure.querySelectorAll('.face').length)",
        VIEWER,
    )


def expected(weights: Path, photo: Path, confidence: float) -> dict[str, int]:
    """Return how many faces each model finds without a page."""
    service = ModelService(weights)
    settings = DetectionSettings(confidence, scales=Scales.AUTO)
    return {key: len(service.detect(decode_photo(photo), key, settings).detections) for key in MODELS}


def comparison(weights: Path, file: Path, settings: dict[str, DetectionSettings]) -> Comparison:
    """Return the comparison that the package makes without a page."""
    service, photo = ModelService(weights), decode_photo(file)
    results = {key: service.merged_candidates(photo, key, chosen) for key, chosen in settings.items()}
    return compare(file.name, (photo.width, photo.height), results, settings)


def without_latencies(value: object) -> object:
    """Return a JSON value without its latencies, which differ from run to run."""
    if isinstance(value, dict):
        return {name: without_latencies(each) for name, each in value.items() if "milliseconds" not in name}
    return [without_latencies(each) for each in value] if isinstance(value, list) else value


def by_confidence(found: Comparison) -> str:
    """Return the CSV file of the chart of faces against the threshold."""
    first, second = (
        select(result.detections, CANDIDATE_FLOOR, found.settings[key].nms_iou)
        for key, result in found.results.items()
    )
    lowest, highest = (round(100 * bound) for bound in CONFIDENCE_RANGE)
    curve = agreement_curve(first, second, np.arange(lowest, highest + 1) / 100)
    columns = (curve.confidences, curve.first, curve.second, curve.both, curve.share)
    names = ("confidence", "faces_v1", "faces_v2", "faces_both", "agreement")
    return pd.DataFrame(dict(zip(names, columns, strict=True))).to_csv(index=False)
