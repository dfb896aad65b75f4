"""A headless Chromium on this machine alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.remote.webdriver import WebDriver

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "assets" / "samples" / "grace_hopper.jpg"
PATIENCE = 120  # seconds; a busy machine of two cores takes its time

_SWITCHES = (
    "--headless=new",
    "--no-sandbox",  # a container's root has no other way
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def programs() -> tuple[str, str] | None:
    """Return the paths of Chromium and its driver, installed from Debian first if need and right be."""
    if _found() is None and shutil.which("apt-get"):
        sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
        for command in (
            ["update"],
            ["install", "-y", "--no-install-recommends", "chromium", "chromium-driver"],
        ):
            subprocess.run([*sudo, "apt-get", "-qq", *command], check=False, stdin=subprocess.DEVNULL)
    return _found()


def _found() -> tuple[str, str] | None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


@contextmanager
def open_browser(
    folder: Path, *, width: int = 1440, height: int = 1000, dark: bool = False, switches: Sequence[str] = ()
) -> Iterator[WebDriver]:
    """Open a browser with a profile and downloads of its own in `folder`, and close it again."""
    browser, driver = programs()
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
        prefer(window, dark=dark)
        resize(window, width, height)
        downloads = {"behavior": "allow", "downloadPath": str(folder)}
        window.execute_cdp_cmd("Browser.setDownloadBehavior", downloads)
        window.get("about:blank")
        window.get_log("performance")  # what the browser's own first page asked for
        yield window
    finally:
        window.quit()


def prefer(window: WebDriver, *, dark: bool) -> None:
    """Let the page know which colours the person likes."""
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def resize(window: WebDriver, width: int, height: int) -> None:
    """Give the page this size in pixels; windows themselves cannot be as narrow as a phone."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
