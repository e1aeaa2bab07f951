"""A server of the program and a browser in front of it."""
import re
import subprocess
import time

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service


class Server:
    """`icecore serve`, on a port of its own choice."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            command + ["--address", "127.0.0.1:0"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        lines = []
        while True:
            line = self.process.stderr.readline()
            lines.append(line)
            if found := re.search(r" at (http://127\.0\.0\.1:\d+)/", line):
                self.url = found[1]
                return
            if not line:
                raise RuntimeError("the server did not start: " + "".join(lines))

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def open_browser(width=1280, height=900, is_dark=False, has_scripts=True):
    """Chromium without a window."""
    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                 f"--window-size={width},{height}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    if not has_scripts:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    driver.set_page_load_timeout(60)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
        {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}]})
    if width < 500:
        resize(driver, width, height)
    return driver


def resize(driver, width, height):
    """No window of Chromium is as narrow as a telephone."""
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})


def until(what, condition, seconds=30):
    """Waits patiently: the machine may be busy."""
    end = time.monotonic() + seconds
    while True:
        try:
            if result := condition():
                return result
        except Exception as error:  # Elements go away while the page changes.
            last = error
            if time.monotonic() > end:
                raise AssertionError(f"{what}: {last}") from last
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen")
        time.sleep(0.1)
