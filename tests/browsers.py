"""The browsers that tests of the pages drive, where they are installed."""

import shutil

#: The headless shell has no window: a visit takes three fifths of the time of the whole browser.
CHROMIUM = (
    shutil.which("chromium-headless-shell")
    or shutil.which("chromium")
    or shutil.which("chromium-browser")
)
