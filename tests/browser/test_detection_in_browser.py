"""The main job as a person does it: upload, look, move a slider, download, share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from chromium import PATIENCE, SAMPLE
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from featherface.detection.images import decode_photo
from featherface.detection.settings import DetectionSettings
from featherface.models import MODELS
from featherface.service import ModelService

VIEWER = "[data-testid=stBidiComponentIsolated]"


def test_from_upload_to_link(window: WebDriver, address: str, weights: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "portrait.jpg", tmp_path / "broken.png"
    with Image.open(SAMPLE) as picture:
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(good)
    bad.write_bytes(b"not a picture")
    window.get(f"{address}/detection")
    until(window, shows("Size ladder"))  # a first visitor sees a sample already analysed

    field = window.find_element(By.CSS_SELECTOR, "[data-testid=stFileUploaderDropzoneInput]")
    field.send_keys(f"{good}\n{bad}")
    until(window, shows("portrait.jpg"))
    (alert,) = window.find_elements(By.CSS_SELECTOR, "[data-testid=stAlert]")
    assert "broken.png: The picture is not a picture" in alert.text
    assert counts(window) == list(expected(weights, good, 0.5).values())

    confidence = window.find_element(By.CSS_SELECTOR, "input[type=range][aria-label=Confidence]")
    window.execute_script("arguments[0].focus()", confidence)
    ActionChains(window).send_keys(*[Keys.ARROW_RIGHT] * 10).perform()
    until(window, lambda _: "conf=0.6" in window.current_url)
    fewer = list(expected(weights, good, 0.6).values())
    until(window, lambda _: counts(window) == fewer)

    button(window, "Faces, JSON").click()
    saved = tmp_path / "portrait.faces.json"
    until(window, lambda _: saved.exists())
    (photo,) = json.loads(saved.read_text())["photos"]
    assert {key: len(model["scores"]) for key, model in photo["models"].items()} == expected(
        weights, good, 0.6
    )
    button(window, "Pictures, PNG").click()
    pair = tmp_path / "portrait.faces.png"
    until(window, lambda _: pair.exists())
    with Image.open(pair) as picture:
        assert picture.width == 2 * decode_photo(good).width

    link(window, "architecture").click()
    until(window, lambda _: "/architecture" in window.current_url and not in_viewer(window, ".view"))
    link(window, "detection").click()
    until(window, shows("portrait.jpg"))  # the photo and the threshold have stayed
    assert counts(window) == fewer

    window.get(window.current_url)  # as whoever gets the link: the threshold comes along, the photo does not
    until(window, shows("Size ladder"))
    restored = window.find_element(By.CSS_SELECTOR, "input[type=range][aria-label=Confidence]")
    assert float(restored.get_attribute("value")) == 0.6
    assert_quiet(window, address)


def test_zoom_moves_both_pictures(window: WebDriver, address: str) -> None:
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


def test_photo_without_a_face_above_the_threshold(window: WebDriver, address: str) -> None:
    window.get(f"{address}/detection?photo=chelsea_the_cat&conf=0.99")
    until(window, shows("Chelsea the cat"))
    for message in in_viewer(window, ".message"):
        assert message.text.startswith("No face")


def until(window: WebDriver, condition: Callable[[WebDriver], object]) -> None:
    WebDriverWait(window, PATIENCE).until(condition)


def in_viewer(window: WebDriver, selector: str) -> list[WebElement]:
    hosts = window.find_elements(By.CSS_SELECTOR, VIEWER)
    return [found for host in hosts for found in host.shadow_root.find_elements(By.CSS_SELECTOR, selector)]


def shows(name: str) -> Callable[[WebDriver], bool]:
    """Return a condition: all models' pictures are of the photo `name`, and the page has come to rest."""

    def shown(window: WebDriver) -> bool:
        labels = window.execute_script(
            "return document.querySelector('[data-testid=stStatusWidget]') ? [] :"
            "[...document.querySelectorAll(arguments[0])].flatMap((host) =>"
            "[...(host.shadowRoot?.querySelectorAll('.view') ?? [])].map((view) => view.ariaLabel))",
            VIEWER,
        )
        return len(labels) == len(MODELS) and all(f"{label}".startswith(f"{name}, ") for label in labels)

    return shown


def counts(window: WebDriver) -> list[int]:
    """Return how many faces each picture shows."""
    return window.execute_script(
        "return [...document.querySelector(arguments[0]).shadowRoot.querySelectorAll('figure')]"
        ".map((figure) => figure.querySelectorAll('.face').length)",
        VIEWER,
    )


def windows(window: WebDriver) -> list[str]:
    """Return the part of the photo that each picture shows."""
    return [svg.get_dom_attribute("viewBox") for svg in in_viewer(window, ".view svg")]


def expected(weights: Path, photo: Path, confidence: float) -> dict[str, int]:
    """Return how many faces each model finds without any page."""
    service = ModelService(weights)
    settings = DetectionSettings(confidence)
    return {key: len(service.detect(decode_photo(photo), key, settings).detections) for key in MODELS}


def button(window: WebDriver, label: str) -> WebElement:
    return window.find_element(By.XPATH, f"//button[normalize-space(.//p)='{label}']")


def link(window: WebDriver, page: str) -> WebElement:
    return window.find_element(By.CSS_SELECTOR, f"nav a[href$='/{page}']")


def assert_quiet(window: WebDriver, address: str) -> None:
    """No error in the console, and nothing asked of any other machine."""
    serious = [entry["message"] for entry in window.get_log("browser") if entry["level"] == "SEVERE"]
    # below a page's address Streamlit looks for its server there first, then at the root
    assert [message for message in serious if "/detection/_stcore/" not in message] == []
    asked = window.execute_script("return performance.getEntriesByType('resource').map(({ name }) => name)")
    assert [name for name in asked if not name.startswith((address, "data:", "blob:"))] == []
