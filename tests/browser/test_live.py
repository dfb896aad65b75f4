"""The live page with Chromium's fake camera: a film of the bundled samples whose faces are known."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from chromium import FRAME, resize
from page import at_rest, button, complaints, in_viewer, link, shows, until
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver

from benchmarks.visitor import served
from featherface.detection.images import decode_photo
from featherface.detection.settings import DetectionSettings
from featherface.models import MODELS
from featherface.serving.model_service import ModelService

pytestmark = pytest.mark.browser

_HEIGHT = 1400  # of the window, in pixels
# Remembers camera streams, frames as they are sent and answers as they come.
_WATCH_FRAMES = """
window.frames_sent = {};
window.answers = [];
window.streams = [];
window.settings_sent = [];
window.live_sockets = new Set();
const devices = navigator.mediaDevices;
const plainGet = devices?.getUserMedia.bind(devices);
if (devices) devices.getUserMedia = async (wish) => {
  const stream = await plainGet(wish);
  window.streams.push(stream);
  return stream;
};
const plainSend = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  if (this.url.endsWith("/live/frames")) {
    if (data instanceof Uint8Array) {
      const bytes = data.slice(4);
      let text = "";
      for (const byte of bytes) text += String.fromCharCode(byte);
      window.frames_sent[new DataView(data.buffer).getUint32(0, true)] = btoa(text);
    } else {
      window.settings_sent.push(JSON.parse(data));
    }
    if (!window.live_sockets.has(this)) {
      window.live_sockets.add(this);
      this.addEventListener("message", ({ data }) => window.answers.push(JSON.parse(data)));
    }
  }
  return plainSend.call(this, data);
};
"""


@pytest.fixture
def camera(window: WebDriver) -> Iterator[WebDriver]:
    """The browser with its camera, whose frames and answers are watched; the camera is off after the test."""
    resize(window, 1440, _HEIGHT)
    script = window.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _WATCH_FRAMES})
    yield window
    window.get("about:blank")
    window.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def allow(window: WebDriver, address: str, setting: str = "granted") -> None:
    permission = {"permission": {"name": "camera"}, "setting": setting, "origin": address}
    window.execute_cdp_cmd("Browser.setPermission", permission)


def open_live(window: WebDriver, address: str) -> None:
    window.get(f"{address}/live")
    until(window, at_rest)


def press_start(window: WebDriver) -> None:
    until(window, lambda _: in_viewer(window, ".live button.primary"))
    in_viewer(window, ".live button.primary")[0].click()


def status(window: WebDriver) -> str:
    return in_viewer(window, ".live .status")[0].text


def live_tracks(window: WebDriver) -> int:
    """Return how many camera tracks are still on."""
    return window.execute_script(
        "return streams.flatMap((stream) => stream.getTracks())"
        ".filter((track) => track.readyState === 'live').length"
    )


def sent_confidence(window: WebDriver) -> float:
    """Return the confidence threshold that the browser sent last."""
    return window.execute_script("return settings_sent.at(-1).confidence")


def answers(window: WebDriver) -> list[dict]:
    return [answer for answer in window.execute_script("return window.answers") if "faces" in answer]


def assert_faces_of_own_frame(window: WebDriver, answer: dict, service: ModelService) -> None:
    """Compare an answer with the faces of a photo that is the very frame this browser sent."""
    sent = window.execute_script("return window.frames_sent[arguments[0]]", answer["frame"])
    photo = decode_photo(b64decode(sent))
    assert answer["size"] == list(FRAME) == [photo.width, photo.height]
    still = service.detect(photo, answer["model"], DetectionSettings())
    assert answer["faces"] == json.loads(still.detections.to_json())


def test_boxes_are_those_of_the_still_path(camera: WebDriver, address: str, weights: Path) -> None:
    allow(camera, address)
    open_live(camera, address)
    press_start(camera)
    until(camera, lambda _: {answer["model"] for answer in answers(camera)} == set(MODELS))
    until(camera, lambda _: any("agreement" in answer for answer in answers(camera)))
    service = ModelService(weights)
    for key in MODELS:
        answer = next(answer for answer in answers(camera) if answer["model"] == key)
        assert_faces_of_own_frame(camera, answer, service)
    assert "faces" in in_viewer(camera, ".live figcaption span")[0].text
    assert complaints(camera, address) == []


def test_a_setting_acts_without_a_reconnect(camera: WebDriver, address: str) -> None:
    allow(camera, address)
    open_live(camera, address)
    press_start(camera)
    until(camera, lambda _: answers(camera))
    camera.find_element(By.CSS_SELECTOR, "main input[type=range]").send_keys(Keys.END)
    until(camera, lambda _: sent_confidence(camera) == 0.99)
    camera.execute_script("window.answers = []")
    until(camera, lambda _: len(answers(camera)) > 2 * len(MODELS))  # those under way are among them
    newest = max(answers(camera), key=lambda answer: answer["frame"])
    assert all(score > 0.99 for score in newest["faces"]["scores"])
    assert camera.execute_script("return window.live_sockets.size") == 1


def test_freeze_opens_the_frame_on_the_detection_page(camera: WebDriver, address: str) -> None:
    allow(camera, address)
    open_live(camera, address)
    press_start(camera)
    until(camera, lambda _: answers(camera))
    button(camera, "Blur").click()
    until(camera, lambda _: "live_faces=Blur" in camera.current_url)
    until(camera, at_rest)
    freeze = next(button for button in in_viewer(camera, ".live button") if button.text == "Freeze")
    until(camera, lambda _: freeze.is_enabled())
    freeze.click()
    until(camera, shows("Camera"))
    assert "faces=Blur" in camera.current_url  # what was hidden stays hidden
    assert complaints(camera, address) == []


def test_denied_camera_is_a_sentence(camera: WebDriver, address: str) -> None:
    allow(camera, address, "denied")
    open_live(camera, address)
    press_start(camera)
    until(camera, lambda _: "denied" in status(camera))
    allow(camera, address)
    press_start(camera)
    until(camera, lambda _: answers(camera))


def test_other_failures_of_the_camera_are_sentences(camera: WebDriver, address: str) -> None:
    open_live(camera, address)
    for name, words in (
        ("NotFoundError", "No camera was found"),
        ("NotReadableError", "in use by another program"),
        ("OverconstrainedError", "Choose another one"),
        ("AbortError", "stopped working"),
        ("SomethingElse", "cannot be used: told by the browser"),
    ):
        camera.execute_script(
            "const error = new DOMException('told by the browser', arguments[0]);"
            "navigator.mediaDevices.getUserMedia = async () => { throw error; }",
            name,
        )
        press_start(camera)
        until(camera, lambda _, words=words: words in status(camera))
    for secure, words in ((True, "no camera support"), (False, "over https")):
        camera.execute_script(
            "Object.defineProperty(navigator, 'mediaDevices', { value: undefined, configurable: true });"
            "Object.defineProperty(window, 'isSecureContext', { value: arguments[0], configurable: true });",
            secure,
        )
        press_start(camera)
        until(camera, lambda _, words=words: words in status(camera))


def test_an_unplugged_camera_is_a_sentence_and_nothing_keeps_running(camera: WebDriver, address: str) -> None:
    allow(camera, address)
    open_live(camera, address)
    press_start(camera)
    until(camera, lambda _: answers(camera))
    camera.execute_script("streams[0].getTracks()[0].dispatchEvent(new Event('ended'))")
    until(camera, lambda _: "disconnected" in status(camera))
    assert live_tracks(camera) == 0


def test_a_hidden_tab_sends_nothing(camera: WebDriver, address: str) -> None:
    allow(camera, address)
    open_live(camera, address)
    press_start(camera)
    until(camera, lambda _: answers(camera))
    _hide_tab(camera, True)
    assert status(camera) == "Paused while this tab is hidden."
    assert camera.execute_script("return streams[0].getTracks().some((track) => track.enabled)") is False
    assert camera.execute_script("return [...live_sockets].every((socket) => socket.readyState > 1)")
    camera.execute_script("window.answers = []")
    _hide_tab(camera, False)
    until(camera, lambda _: answers(camera))


def _hide_tab(window: WebDriver, hidden: bool) -> None:
    window.execute_script(
        "Object.defineProperty(document, 'hidden', { value: arguments[0], configurable: true });"
        "document.dispatchEvent(new Event('visibilitychange'));",
        hidden,
    )


def test_a_restarted_server_goes_on(camera: WebDriver, weights: Path, tmp_path: Path) -> None:
    with served(weights, tmp_path / "first.txt") as dashboard:
        allow(camera, dashboard.address)
        open_live(camera, dashboard.address)
        press_start(camera)
        until(camera, lambda _: answers(camera))
    until(camera, lambda _: "connection to the server was lost" in status(camera))
    camera.execute_script("window.answers = []")
    port = urlsplit(dashboard.address).port
    with served(weights, tmp_path / "second.txt", port=port) as dashboard:
        until(camera, lambda _: answers(camera))
        complaints(camera, dashboard.address)  # drop those of the time without a server


def test_leaving_the_page_turns_the_camera_off(camera: WebDriver, address: str) -> None:
    allow(camera, address)
    open_live(camera, address)
    press_start(camera)
    until(camera, lambda _: answers(camera))
    link(camera, "accuracy").click()
    until(camera, at_rest)
    assert live_tracks(camera) == 0
    link(camera, "live").click()
    until(camera, at_rest)
    assert live_tracks(camera) == 0
    camera.execute_script("window.answers = []")
    press_start(camera)
    until(camera, lambda _: answers(camera))
    assert complaints(camera, address) == []
