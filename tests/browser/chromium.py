"""A headless Chromium on this machine alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from selenium import webdriver
from selenium.webdriver.remote.webdriver import WebDriver
from streamlit.proto.BackMsg_pb2 import BackMsg

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "assets" / "samples"
SAMPLE = SAMPLES / "grace_hopper.jpg"
FRAME = 640, 360  # width and height of the camera's frames in pixels
PATIENCE = 120  # seconds to wait for anything on a page; a busy machine of two cores needs that

_SWITCHES = (
    "--headless=new",
    "--no-sandbox",  # the sandbox refuses root, which containers run as
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    # With that cache every page gets a new process, which compiles Streamlit's scripts again: three times the
    # processor time.
    "--disable-features=BackForwardCache",
)
# For at_rest: records when the page last asked for a run of its script, and when the server's last
# message came. A message's first byte says which of BackMsg's fields it has.
_RERUN = BackMsg.DESCRIPTOR.fields_by_name["rerun_script"].number << 3 | 2
_WATCH_TRAFFIC = f"""
window.traffic = {{ asked: 0, received: 0 }};
window.WebSocket = class extends WebSocket {{
  constructor(...values) {{
    super(...values);
    this.ofStreamlit = new URL(this.url).pathname.endsWith("/_stcore/stream"); // not that of live frames
    if (!this.ofStreamlit) return;
    this.addEventListener("message", () => (window.traffic.received = performance.now()));
  }}
  send(data) {{
    if (this.ofStreamlit && data[0] === {_RERUN}) window.traffic.asked = performance.now();
    super.send(data);
  }}
}};
"""
# A spinner or skeleton that moves is drawn 60 times a second for as long as the server works.
_STAND_STILL = """
const still = new CSSStyleSheet();
still.replaceSync("*, ::before, ::after { animation: none !important; transition: none !important; }");
document.adoptedStyleSheets.push(still);
"""


def find_programs() -> tuple[str, str] | None:
    """Return the paths of Chromium and its driver, or None; `make chromium` installs them."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


@contextmanager
def open_browser(
    folder: Path, *, width: int = 1440, height: int = 1000, dark: bool = False, switches: Sequence[str] = ()
) -> Iterator[WebDriver]:
    """Open a browser whose profile and downloads lie in `folder`, and close it again."""
    browser, driver = find_programs()
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for switch in (
        *_SWITCHES,
        *switches,
        f"--user-data-dir={folder / 'profile'}",
        f"--window-size={width},{height}",
    ):
        options.add_argument(switch)
    window = webdriver.Chrome(options, webdriver.ChromeService(driver))
    try:
        for script in (_WATCH_TRAFFIC, _STAND_STILL):
            window.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
        window.set_script_timeout(PATIENCE)
        start_afresh(window, folder)
        prefer(window, dark=dark)
        resize(window, width, height)
        yield window
    finally:
        window.quit()


def camera_switches(folder: Path, sample: Path) -> tuple[str, ...]:
    """Return switches for a camera that shows how a sample moves slowly; its film is written to `folder`."""
    image = cv2.imread(str(sample))
    scale = FRAME[1] / image.shape[0]
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    film = folder / "camera.mjpeg"
    with film.open("wb") as file:
        for left in range(0, 100, 5):
            canvas = np.full((FRAME[1], FRAME[0], 3), 90, np.uint8)
            canvas[:, left : left + image.shape[1]] = image[:, : FRAME[0] - left]
            file.write(cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())
    return "--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={film}"


def start_afresh(window: WebDriver, folder: Path) -> None:
    """Make an open browser as good as new: nothing stored, no history, a light page of 1440 x 1000 pixels.

    A new browser would take as much processor time as a test. Downloads go to `folder`.
    """
    if window.current_url.startswith("http"):
        window.execute_script("localStorage.clear(); sessionStorage.clear();")
    window.get("about:blank")
    window.execute_cdp_cmd("Page.resetNavigationHistory", {})
    window.execute_cdp_cmd("Network.clearBrowserCookies", {})
    window.execute_cdp_cmd("Browser.resetPermissions", {})
    downloads = {"behavior": "allow", "downloadPath": str(folder)}
    window.execute_cdp_cmd("Browser.setDownloadBehavior", downloads)
    prefer(window, dark=False)
    resize(window, 1440, 1000)
    window.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
    for log in ("browser", "performance"):  # drop what came before
        window.get_log(log)


def prefer(window: WebDriver, *, dark: bool) -> None:
    """Set the colour scheme that the page is told to prefer, and that it scrolls at once."""
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    motion = {"name": "prefers-reduced-motion", "value": "reduce"}
    window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme, motion]})


def resize(window: WebDriver, width: int, height: int) -> None:
    """Set the page's size in pixels; the window itself cannot be as narrow as a phone."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
