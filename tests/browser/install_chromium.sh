#!/bin/sh
# Install Chromium and its driver from Debian's or Ubuntu's packages where they are missing.
# Where that is impossible, say what to do; the browser tests are then skipped (in CI they fail).

has() { command -v "$1" >/dev/null 2>&1; }
has_browser() { { has chromium || has chromium-browser || has google-chrome; } && has chromedriver; }

has_browser && exit 0
if has apt-get && [ "$(id -u)" = 0 ]; then as_root=
elif has apt-get && has sudo && sudo -n true 2>/dev/null; then as_root="sudo -n"
else
    echo "The browser tests need Chromium (or Google Chrome) and chromedriver on the PATH, and installing" \
        "them needs root: on Debian, 'sudo apt-get install chromium chromium-driver'; on Ubuntu," \
        "'sudo apt-get install chromium-chromedriver'. Without them these tests are skipped." >&2
    exit 0
fi
echo "Installing Chromium and its driver for the browser tests."
$as_root apt-get -qq update && {
    $as_root apt-get -qq install -y --no-install-recommends chromium chromium-driver ||
        $as_root apt-get -qq install -y --no-install-recommends chromium-browser chromium-chromedriver
} </dev/null
has_browser || echo "Chromium could not be installed (see above); the browser tests are skipped." >&2
exit 0
