"""What tests do with a page: wait for it, find elements, press keys, and read its console and requests."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from chromium import PATIENCE
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

VIEWER = "[data-testid=stBidiComponentIsolated]"
PANELS = 2  # the models that the Detection page compares
_BUSY = ", ".join(
    f"[data-testid={name}]" for name in ("stStatusWidget", "stSpinner", "stSkeleton", "stProgress")
)
# What the page says of a script that failed, and whether it is complete: one question, as tests ask it often.
_AT_REST = """
const [busy, quiet] = arguments;
const { asked, received } = window.traffic ?? {};
return [
  document.querySelector("[data-testid=stException]")?.innerText,
  document.querySelector("[data-testid=stApp]")?.dataset.testScriptState === "notRunning"
    && !!document.querySelector("h1") && !document.querySelector(busy)
    && received > asked && performance.now() - received > quiet,
];
"""
QUIET = 500  # milliseconds without a message after which a page counts as complete
STOPS = 200  # presses of Tab; no page has as many

# The name of a control, by its label or what it says.
_NAME = """
const nameOf = (element) => {
  const words = [...element.querySelectorAll("p")].map((part) => part.textContent).join(" ");
  return (element.ariaLabel || words || element.textContent).trim().slice(0, 80);
};
"""
# What has the focus, also within a component: its name, role, tag and place.
_FOCUSED = f"""
{_NAME}
let element = document.activeElement;
while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
if (!element || element === document.body) return null;
const {{ x, y, width, height }} = element.getBoundingClientRect();
return {{ name: nameOf(element), role: element.role, tag: element.localName, x, y, width, height }};
"""
# Put the focus on the control of a name, also within a component; return whether there is one.
_FOCUS_ON = f"""
{_NAME}
const reached = (root) => [...root.querySelectorAll("*")].some((element) => {{
  if (element.shadowRoot) return reached(element.shadowRoot);
  const found = element.tabIndex >= 0 && nameOf(element) === arguments[0];
  if (found) element.focus();
  return found;
}});
return reached(document);
"""
# Each control's value: sliders, number and text fields, switches, groups of choices, and the chosen photo.
_SETTINGS = """
const found = {};
for (const field of document.querySelectorAll("main input:not([type=file])")) {
  found[field.ariaLabel] = field.type === "checkbox" ? field.checked : field.value;
}
for (const group of document.querySelectorAll("main [role=radiogroup]")) {
  found[group.ariaLabel] = group.querySelector("[aria-checked=true]")?.innerText;
}
return found;
"""


def until(window: WebDriver, condition: Callable[[WebDriver], object]) -> object:
    return WebDriverWait(window, PATIENCE, poll_frequency=0.1).until(condition)


def at_rest(window: WebDriver) -> bool:
    """Say whether the page is complete: the server has answered, nothing runs, no message came just now.

    Raises AssertionError if the page shows that its script failed; the log of the server has the traceback.
    """
    error, complete = window.execute_script(_AT_REST, _BUSY, QUIET)
    assert error is None, error
    return complete


def in_viewer(window: WebDriver, selector: str) -> list[WebElement]:
    hosts = window.find_elements(By.CSS_SELECTOR, VIEWER)
    return [found for host in hosts for found in host.shadow_root.find_elements(By.CSS_SELECTOR, selector)]


def shows(name: str) -> Callable[[WebDriver], bool]:
    """Return a condition: all models' views show the photo `name`, and the page is complete."""

    def shown(window: WebDriver) -> bool:
        labels = window.execute_script(
            "return [...document.querySelectorAll(arguments[0])].flatMap((host) =>"
            "[...(host.shadowRoot?.querySelectorAll('.view') ?? [])].map((view) => view.ariaLabel))",
            VIEWER,
        )
        return (
            len(labels) == PANELS and all(f"{label}".startswith(name) for label in labels) and at_rest(window)
        )

    return shown


def windows(window: WebDriver) -> list[str]:
    """Return the part of the photo that each view shows."""
    return [svg.get_dom_attribute("viewBox") for svg in in_viewer(window, ".view svg")]


def settings(window: WebDriver) -> dict[str, object]:
    """Return the value of each control on the page by its name."""
    return window.execute_script(_SETTINGS)


def button(window: WebDriver, label: str) -> WebElement:
    return window.find_element(By.XPATH, f"//button[normalize-space(.//p)='{label}']")


def link(window: WebDriver, page: str) -> WebElement:
    return window.find_element(By.CSS_SELECTOR, f"nav a[href$='/{page}']")


def add_photos(window: WebDriver, *photos: Path) -> None:
    """Give files to the page's uploader."""
    field = window.find_element(By.CSS_SELECTOR, "[data-testid=stFileUploaderDropzoneInput]")
    field.send_keys("\n".join(map(str, photos)))


def saved(window: WebDriver, file: Path) -> bytes:
    """Wait for a download and return what it holds; browsers write it under another name first."""
    until(window, lambda _: file.exists())
    return file.read_bytes()


def press(window: WebDriver, *keys: str, shift: bool = False) -> None:
    chain = ActionChains(window, duration=0)
    if shift:
        chain.key_down(Keys.SHIFT)
    chain.send_keys(*keys)
    if shift:
        chain.key_up(Keys.SHIFT)
    chain.perform()


def focused(window: WebDriver) -> dict[str, object] | None:
    """Return name, tag, x, y, width and height of what has the focus; None for nothing."""
    return window.execute_script(_FOCUSED)


def focus_on(window: WebDriver, name: str) -> None:
    """Put the focus on the control `name` of the complete page, as many presses of Tab would."""
    until(window, at_rest)
    assert window.execute_script(_FOCUS_ON, name), f"No control is called {name!r}."


def tab_to(window: WebDriver, name: str, role: str | None = None) -> None:
    """Press Tab until the focus is on the control `name`, past the page's end if need be.

    Waits for the complete page first, since late results rename or replace elements. With a role, the
    name only has to begin so: a view's ends with its result.
    """
    until(window, at_rest)
    passed = []
    for _ in range(STOPS):
        press(window, Keys.TAB)
        stop = focused(window)
        if stop is not None and is_called(stop, name, role):
            return
        passed.append(stop and stop["name"])
    raise AssertionError(f"Tab does not reach {name!r}, only {list(dict.fromkeys(passed))}.")


def is_called(stop: dict[str, object], name: str, role: str | None) -> bool:
    if role is None:
        return stop["name"] == name
    return stop["role"] == role and f"{stop['name']}".startswith(name)


def complaints(window: WebDriver, address: str) -> list[str]:
    """Return errors in the console and addresses of other machines, since this was last asked."""
    # below a page's address Streamlit looks for its server there first, then at the root
    first_try = re.compile(rf"{address}/\w+/_stcore/(health|host-config) ")
    errors = [entry["message"] for entry in window.get_log("browser") if entry["level"] == "SEVERE"]
    here = (f"{address}/", address.replace("http", "ws", 1), "data:", "blob:")
    return [
        *(error for error in errors if not first_try.match(error)),
        *(asked for asked in _addresses(window) if not asked.startswith(here)),
    ]


def _addresses(window: WebDriver) -> list[str]:
    """Return where requests and web sockets of the page went."""
    events = [json.loads(entry["message"])["message"] for entry in window.get_log("performance")]
    return [
        event["params"]["request"]["url"] if "request" in event["params"] else event["params"]["url"]
        for event in events
        if event["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated")
    ]
