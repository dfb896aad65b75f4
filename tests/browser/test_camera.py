"""The camera: refused, and allowed with the browser's own made-up device."""

from __future__ import annotations

import pytest
from page import at_rest, button, complaints, focus_on, press, shows, tab_to, until
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("allowed", [False, True], ids=["denied", "allowed"])
def test_camera(window: WebDriver, address: str, allowed: bool) -> None:
    permission = {"permission": {"name": "camera"}, "setting": "granted" if allowed else "denied"}
    window.execute_cdp_cmd("Browser.setPermission", {**permission, "origin": address})
    window.get(f"{address}/detection")
    until(window, shows("Solvay 1927"))
    until(window, at_rest)
    focus_on(window, "Upload")
    tab_to(window, "Camera")
    press(window, Keys.ENTER)
    camera = until(window, lambda _: window.find_element(By.CSS_SELECTOR, "[data-testid=stCameraInput]"))
    if allowed:
        shutter = "[data-testid=stCameraInputButton]"
        until(window, lambda _: camera.find_element(By.CSS_SELECTOR, shutter).is_enabled())
        camera.find_element(By.CSS_SELECTOR, shutter).click()
        until(window, shows("camera"))
    else:
        until(window, lambda _: "would like to use your camera" in camera.text)
        press(window, Keys.ESCAPE)
        button(window, "Grace Hopper").click()
        until(window, shows("Grace Hopper"))
    assert complaints(window, address) == []
