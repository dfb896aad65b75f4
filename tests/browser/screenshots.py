"""Take the README's screenshots of the running dashboard: `make screenshots`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from chromium import PATIENCE, ROOT, open_browser, resize
from PIL import Image
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

from benchmarks.visitor import served

_FOLDER = ROOT / "docs" / "screenshots"
_SHOTS = (  # file, page and settings, width in pixels, dark, height in pixels
    ("detection-light", "detection", 1440, False, 1000),
    ("detection-dark", "detection", 1440, True, 1000),
    ("detection-phone", "detection?photo=grace_hopper", 420, False, 1300),
)
_COLOURS = 256  # a palette takes a third of the bytes and looks almost the same


def main() -> None:
    """Take every screenshot."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, served(ROOT / "weights", Path(name, "log")) as dashboard:
        for file, page, width, dark, height in _SHOTS:
            with open_browser(Path(name, file), width=width, height=height, dark=dark) as window:
                window.get(f"{dashboard.address}/{page}")
                WebDriverWait(window, PATIENCE).until(_drawn)
                resize(window, width, height)
                _save(window, _FOLDER / f"{file}.png")


def _drawn(window: WebDriver) -> bool:
    return window.execute_script(
        "return document.querySelectorAll('[data-testid=stDownloadButton]').length > 4"
        " && !document.querySelector('[data-testid=stStatusWidget], [data-testid=stSpinner]')"
    )


def _save(window: WebDriver, path: Path) -> None:
    window.save_screenshot(str(path))
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


if __name__ == "__main__":
    main()
