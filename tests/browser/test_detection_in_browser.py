"""The Detection page as a person uses it: upload, move a slider, zoom, download, share a link."""

from __future__ import annotations

import io
import json
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from chromium import SAMPLE
from page import (
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
from selenium.webdriver.remote.webelement import WebElement

from featherface.config import CANDIDATE_FLOOR, CONFIDENCE_RANGE
from featherface.dashboard.state.photos import SAMPLES
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

# The visible labels of the views that reach beyond their view, by more than a rounding error.
_LABELS_OUTSIDE = """
const outside = [];
for (const view of arguments[0]) {
  const frame = view.getBoundingClientRect();
  for (const label of view.querySelectorAll(".label")) {
    const { left, right, top, bottom, width } = label.getBoundingClientRect();
    if (!width) continue;
    const out = Math.max(frame.left - left, right - frame.right, frame.top - top, bottom - frame.bottom);
    if (out > 1.5) outside.push(`${label.textContent}: ${out}`);
  }
}
return outside;
"""
# The centre of an element, which comes to the middle of the window; its distance from the window's top; and
# the pixels of the photo per pixel of the window.
_CENTRE = """
arguments[0].scrollIntoView({ block: "center" });
const { x, y, width, height } = arguments[0].getBoundingClientRect();
return [x + width / 2, y + height / 2];
"""
_TOP = "return arguments[0].getBoundingClientRect().top"
_UNIT = "return Number(arguments[0].style.getPropertyValue('--unit'))"
# Bring a view to the middle of the window and return the centre of one of its faces.
_A_FACE = """
const [view] = arguments;
view.scrollIntoView({ block: "center" });
for (const box of view.querySelectorAll(".face .box")) {
  const { x, y, width, height } = box.getBoundingClientRect();
  const centre = [x + width / 2, y + height / 2];
  if (view.getRootNode().elementFromPoint(...centre)?.closest(".face")) return centre;
}
"""


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
    for _ in range(4):  # the page is still busy with earlier moves
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
    window.get(f"{address}/detection?photo=grace_hopper&{query}")  # a small photo, for "Original size"
    until(window, shows("Grace Hopper"))
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


def test_back_goes_back_one_choice(window: WebDriver, address: str) -> None:
    window.get(f"{address}/detection")
    until(window, shows("Solvay 1927"))
    link(window, "architecture").click()
    until(window, lambda _: "/architecture" in window.current_url)
    link(window, "detection").click()
    until(window, shows("Solvay 1927"))
    button(window, "Grace Hopper").click()
    until(window, shows("Grace Hopper"))
    confidence = window.find_element(By.CSS_SELECTOR, "input[type=range][aria-label=Confidence]")
    window.execute_script("arguments[0].focus()", confidence)
    press(window, *[Keys.ARROW_RIGHT] * 5)  # one choice, whatever it passes
    until(window, lambda _: "conf=0.55" in window.current_url)
    button(window, "Wipe").click()
    until(window, lambda _: in_viewer(window, ".divider"))
    button(window, "Eileen Collins").click()
    until(window, shows("Eileen Collins"))

    for steps, settings, photo, threshold in (
        (window.back, "conf=0.55&photo=grace_hopper&view=Wipe", "Grace Hopper", 0.55),
        (window.back, "conf=0.55&photo=grace_hopper", "Grace Hopper", 0.55),
        (window.back, "photo=grace_hopper", "Grace Hopper", 0.5),
        (window.forward, "conf=0.55&photo=grace_hopper", "Grace Hopper", 0.55),
        (window.back, "photo=grace_hopper", "Grace Hopper", 0.5),
        (window.back, "", "Solvay 1927", 0.5),
    ):
        steps()
        until(window, lambda _, settings=settings: urlsplit(window.current_url).query == settings)
        until(window, shows(photo))
        now = window.find_element(By.CSS_SELECTOR, "input[type=range][aria-label=Confidence]")
        assert float(now.get_attribute("value")) == threshold
        assert bool(in_viewer(window, ".divider")) == ("Wipe" in settings)
    window.back()
    until(window, lambda _: "/architecture" in window.current_url)
    assert complaints(window, address) == []


def test_own_photos_are_found_again_by_back(window: WebDriver, address: str, tmp_path: Path) -> None:
    photo = tmp_path / "portrait.jpg"
    with Image.open(SAMPLE) as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(photo)
    window.get(f"{address}/detection")
    until(window, shows("Solvay 1927"))
    add_photos(window, photo)
    until(window, shows("portrait.jpg"))
    assert "portrait" not in window.current_url
    window.execute_script("addressHistory.last.time = Infinity")  # as if the next click came at once
    button(window, "Eileen Collins").click()
    until(window, shows("Eileen Collins"))
    window.back()
    until(window, shows("portrait.jpg"))


def test_wipe_by_mouse_and_keyboard(window: WebDriver, address: str) -> None:
    window.get(f"{address}/detection?photo=grace_hopper&view=Wipe")
    until(window, shows("Grace Hopper"))
    (divider,) = in_viewer(window, ".divider")
    first, second = in_viewer(window, ".view svg.photo")
    assert first.rect == second.rect  # over each other
    ActionChains(window).click_and_hold(divider).move_by_offset(-200, 0).release().perform()
    width = first.rect["width"]
    share = int(divider.get_attribute("aria-valuenow"))
    assert share == pytest.approx(50 - 100 * 200 / width, abs=1)
    window.execute_script("arguments[0].focus()", divider)
    press(window, Keys.ARROW_RIGHT)
    assert int(divider.get_attribute("aria-valuenow")) == share + 2
    press(window, Keys.END)
    assert divider.get_attribute("aria-valuetext") == "FeatherFace V1 100%"
    assert "inset(0px 0% 0px 0px)" in clip(first) or "calc(0%)" in clip(first)
    button(window, "Side by side").click()
    until(window, lambda _: not in_viewer(window, ".divider"))
    first, second = in_viewer(window, ".view svg.photo")
    assert first.rect["x"] < second.rect["x"]


def test_a_chosen_difference_zooms_both_views(window: WebDriver, address: str) -> None:
    window.get(f"{address}/detection?photo=grace_hopper")
    until(window, shows("Grace Hopper"))
    whole = windows(window)
    thumbnails = in_viewer(window, ".thumbnail")
    alone = in_viewer(window, ".face.alone")
    assert len(thumbnails) == len(alone) > 1
    smallest = min(thumbnails, key=pixels)  # a face that fills the photo needs no zoom
    click(window, smallest)
    until(window, lambda _: windows(window) != whole)
    first, second = windows(window)
    assert first == second
    (tip,) = in_viewer(window, ".tip")
    assert "Found by this model only" in tip.text
    before = tip.text
    other = Keys.ARROW_RIGHT if smallest == thumbnails[0] else Keys.HOME
    press(window, other, Keys.ENTER)  # another one, without the mouse
    until(window, lambda _: tip.text != before)
    press(window, Keys.ESCAPE)
    until(window, lambda _: not tip.is_displayed())


def test_zoom_loads_the_photo_s_own_pixels(window: WebDriver, address: str, tmp_path: Path) -> None:
    photo = tmp_path / "large.jpg"
    with Image.open(SAMPLE) as image:
        large = image.resize((3000, round(3000 * image.height / image.width)))
    large.save(photo, quality=95)
    window.get(f"{address}/detection")
    until(window, shows("Solvay 1927"))
    add_photos(window, photo)
    until(window, shows("large.jpg"))
    assert not in_viewer(window, ".tile")  # the preview has enough pixels for the whole photo
    (bigger,) = in_viewer(window, "[aria-label='Zoom in']")
    for _ in range(7):
        bigger.click()
    until(window, lambda _: in_viewer(window, ".tile"))
    until(window, lambda _: all(loaded(window)))
    left, top, right, bottom, size = map(
        int, in_viewer(window, ".tile")[0].get_dom_attribute("href").split("/")[-1].split(",")
    )
    assert size == right - left <= 512  # one pixel of the photo is one of the tile
    assert 0 < bottom - top <= 512
    near = windows(window)
    button(window, "Filters and display").click()
    until(window, lambda _: window.find_elements(By.XPATH, "//button[normalize-space(.//p)='Blur']"))
    button(window, "Blur").click()
    until(window, lambda _: not in_viewer(window, ".tile"))  # hidden faces stay hidden
    until(window, at_rest)
    assert windows(window) == near
    assert not in_viewer(window, ".tile")
    assert complaints(window, address) == []


def test_score_labels_stay_in_view(window: WebDriver, address: str) -> None:
    window.get(f"{address}/detection?photo=eileen_collins&conf=0.3")
    until(window, shows("Eileen Collins"))
    (bigger,) = in_viewer(window, "[aria-label='Zoom in']")
    for _ in range(5):  # so far that boxes reach beyond every edge
        outside = window.execute_script(_LABELS_OUTSIDE, in_viewer(window, ".view"))
        assert outside == []
        bigger.click()
        until(window, at_rest)


def test_a_click_in_the_photo_asks_why_a_face_was_missed(window: WebDriver, address: str) -> None:
    window.get(f"{address}/detection?photo=grace_hopper&conf=0.99&scales_fit=false")
    until(window, shows("Grace Hopper"))
    until(window, at_rest)
    view = in_viewer(window, ".view")[0]
    ActionChains(window).move_to_element(view).click().perform()  # the centre of what the window shows of it
    until(window, lambda _: window.find_elements(By.XPATH, "//*[contains(text(), 'Mirrored: ')]"))
    until(window, at_rest)
    x, y, *_ = spot(window)
    assert abs(x - 256) <= 2
    assert 0 < y < 600
    page = window.find_element(By.TAG_NAME, "body").text
    for entry in MODELS.values():
        assert entry.name in page
    assert page.index("Why was this face missed?") < page.index("Mean confidence")  # right below the photo
    assert in_viewer(window, ".spot")
    assert complaints(window, address) == []


@pytest.mark.parametrize("by", ["Shift", "button"])
def test_a_box_drawn_in_the_photo_asks_why_a_face_was_missed(
    window: WebDriver, address: str, by: str
) -> None:
    window.get(f"{address}/detection?photo=grace_hopper&conf=0.99&scales_fit=false")
    until(window, shows("Grace Hopper"))
    until(window, at_rest)
    view = in_viewer(window, ".view")[0]
    window.execute_script("arguments[0].scrollIntoView({ block: 'center' })", view)
    chain = ActionChains(window)
    if by == "Shift":
        chain.key_down(Keys.SHIFT)
    else:
        next(each for each in in_viewer(window, ".tools button") if each.text == "Draw a box").click()
    chain.move_to_element_with_offset(view, -60, -40).click_and_hold().move_by_offset(120, 80).release()
    if by == "Shift":
        chain.key_up(Keys.SHIFT)
    chain.perform()
    assert_drawn_box_is_explained(window)


def assert_drawn_box_is_explained(window: WebDriver) -> None:
    """Check that the page explains a box of 120 x 80 pixels that was drawn on the screen."""
    until(window, lambda _: window.find_elements(By.XPATH, "//*[contains(text(), 'Mirrored: ')]"))
    until(window, at_rest)
    unit = window.execute_script(_UNIT, in_viewer(window, "svg.photo")[0])
    _, _, width, height = spot(window)
    assert width == pytest.approx(120 * unit, abs=2)
    assert height == pytest.approx(80 * unit, abs=2)


def test_a_finger_draws_a_box_and_scrolls_the_page(window: WebDriver, address: str) -> None:
    """With "Draw a box" on, a finger on a photo draws; beside the photo, and with it off, it scrolls."""
    window.get(f"{address}/detection?photo=grace_hopper&conf=0.99&scales_fit=false")
    until(window, shows("Grace Hopper"))
    until(window, at_rest)

    def middle_of(element: WebElement) -> tuple[float, float]:
        return tuple(window.execute_script(_CENTRE, element))

    def drag_up(element: WebElement) -> float:
        """Drag up by finger from the middle of an element and return by how much the page has scrolled."""
        x, y = middle_of(element)
        tops = [window.execute_script(_TOP, element)]
        move_finger(window, *((x, y - step) for step in range(0, 161, 20)))

        def is_still(_: WebDriver) -> bool:  # a page goes on scrolling for a moment after the finger has left
            tops.append(window.execute_script(_TOP, element))
            return tops[-1] == tops[-2] != tops[0]

        until(window, is_still)
        return tops[0] - tops[-1]

    view = in_viewer(window, ".view")[0]
    assert drag_up(view) > 40
    draw = next(each for each in in_viewer(window, ".tools button") if each.text == "Draw a box")
    move_finger(window, middle_of(draw))
    heading = window.find_element(By.TAG_NAME, "h3")
    assert drag_up(heading) > 40
    x, y = middle_of(view)
    top = window.execute_script(_TOP, view)
    move_finger(window, *((x + 12 * step, y + 8 * step) for step in range(-5, 6)))
    assert window.execute_script(_TOP, view) == top
    assert_drawn_box_is_explained(window)


def test_a_tap_shows_the_numbers_of_a_face(window: WebDriver, address: str) -> None:
    window.get(f"{address}/detection?photo=grace_hopper")
    until(window, shows("Grace Hopper"))
    move_finger(window, window.execute_script(_A_FACE, in_viewer(window, ".view")[0]))
    (tip,) = in_viewer(window, ".tip")
    until(window, lambda _: tip.is_displayed() and tip.text.startswith("Score "))
    until(window, at_rest)
    assert tip.is_displayed()  # also after the page has run


def test_all_photos_sorted_by_disagreement(window: WebDriver, address: str, tmp_path: Path) -> None:
    window.get(f"{address}/detection?view=All+photos")
    until(window, lambda _: window.find_elements(By.XPATH, "//h3[.='All photos']") and at_rest(window))
    button(window, "Table (CSV)").click()
    table = pd.read_csv(io.BytesIO(saved(window, tmp_path / "photos.csv")))
    assert set(table["Photo"]) == {sample.name for sample in SAMPLES}
    differing = (table["Only V1"] + table["Only V2"]).tolist()
    assert differing == sorted(differing, reverse=True)
    assert table["Found by both"].tolist() == (table["V1 faces"] - table["Only V1"]).tolist()
    button(window, "Faces of all photos (CSV)").click()
    faces = pd.read_csv(io.BytesIO(saved(window, tmp_path / "photos.faces.csv")))
    assert len(faces) == (table["V1 faces"] + table["V2 faces"]).sum()
    click(window, button(window, "Grace Hopper"))
    until(window, shows("Grace Hopper"))
    assert "view" not in window.current_url
    window.back()
    until(window, lambda _: window.find_elements(By.XPATH, "//h3[.='All photos']"))
    assert complaints(window, address) == []


def test_photo_without_a_face_above_the_threshold(window: WebDriver, address: str) -> None:
    window.get(f"{address}/detection?photo=chelsea_the_cat&conf=0.99")
    until(window, shows("Chelsea the cat"))
    for message in in_viewer(window, ".message"):
        assert message.text.startswith("No face")


def move_finger(window: WebDriver, *places: tuple[float, float]) -> None:
    """Put a finger down at the first place, move it through the others, and lift it."""
    window.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    for number, (x, y) in enumerate(places):
        kind, point = "touchMove" if number else "touchStart", {"x": x, "y": y}
        window.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    window.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def click(window: WebDriver, element: WebElement) -> None:
    """Click an element that may lie below the bar at the top of the window."""
    window.execute_script("arguments[0].scrollIntoView({ block: 'center' })", element)
    element.click()


def spot(window: WebDriver) -> list[int]:
    """Return x, y, width and height of the spot that is examined."""
    labels = ("x (px)", "y (px)", "Width (px)", "Height (px)")
    fields = [window.find_element(By.CSS_SELECTOR, f"input[aria-label='{label}']") for label in labels]
    return [int(field.get_attribute("value") or 0) for field in fields]


def pixels(thumbnail: WebElement) -> int:
    """Return the width of a face in pixels of the photo, as its thumbnail's label says it."""
    return int(thumbnail.get_attribute("aria-label").split(", ")[-1].split(" × ")[0])


def clip(element: WebElement) -> str:
    return element.value_of_css_property("clip-path")


def loaded(window: WebDriver) -> list[bool]:
    """Return of each tile whether it has arrived."""
    return window.execute_script(
        "return arguments[0].map((tile) => performance.getEntriesByName(tile.href.baseVal)"
        ".some(({ responseStatus }) => responseStatus === 200))",
        in_viewer(window, ".tile"),
    )


def counts(window: WebDriver) -> list[int]:
    """Return how many faces each view shows."""
    return window.execute_script(
        "return arguments[0].map((figure) => figure.querySelectorAll('.face').length)",
        in_viewer(window, "figure"),
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
