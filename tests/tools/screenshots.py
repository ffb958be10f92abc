"""Photograph pages: ``python -m tests.tools.screenshots OUT_DIR BASE_URL PATH...``.

Each path at 1440x900 and 390x844, light and dark, with headless Chromium. Also says where a page
is wider than the window, and what the console reported.
"""

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

SIZES = {"wide": (1440, 900), "phone": (390, 844), "narrow": (320, 640)}

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)

#: A script may take so long on a machine that has much else to do.
_SCRIPT_S = 180


def _program(*names: str) -> str | None:
    return next((path for path in map(shutil.which, names) if path), None)


def browser_missing() -> str | None:
    """Why there can be no browser; None if there can."""
    if not _program("chromium", "chromium-browser", "google-chrome"):
        return "needs Chromium"
    return None if _program("chromedriver") else "needs chromedriver"


def browser(profile: str, *, javascript: bool = True) -> Any:
    """A headless Chromium with a fresh profile."""
    options = webdriver.ChromeOptions()
    options.binary_location = _program("chromium", "chromium-browser", "google-chrome")
    for argument in (*ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    if not javascript:
        off = {"profile.managed_default_content_settings.javascript": 2}
        options.add_experimental_option("prefs", off)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(_program("chromedriver")))
    driver.set_script_timeout(_SCRIPT_S)
    return driver


@contextmanager
def window(width: int | None = None, height: int = 900) -> Iterator[Any]:
    """A browser with a profile of its own; both are gone afterwards."""
    with tempfile.TemporaryDirectory() as profile:
        driver = browser(profile)
        try:
            if width is not None:
                driver.set_window_size(width, height)
            yield driver
        finally:
            driver.quit()


def shoot(
    driver: Any, out: Path, base: str, path: str, *, sizes: tuple[str, ...], themes: tuple[str, ...]
) -> list[str]:
    """Photograph one page in some sizes and themes; returns what is wrong with it."""
    problems = []
    for size in sizes:
        width, height = SIZES[size]
        metrics = {
            "width": width,
            "height": height,
            "deviceScaleFactor": 1,
            "mobile": size != "wide",
        }
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        for theme in themes:
            feature = {"name": "prefers-color-scheme", "value": theme}
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
            driver.get(base + path)
            name = re.sub(r"[^\w.-]+", "_", path).strip("_") or "home"
            driver.save_screenshot(str(out / f"{name}-{size}-{theme}.png"))
            wide = driver.execute_script("return document.documentElement.scrollWidth")
            if wide > width:
                problems.append(f"{path} at {width} px is {wide} px wide")
    problems += [f"{path}: {entry['message']}" for entry in driver.get_log("browser")]
    return problems


def main(out: str, base: str, paths: list[str]) -> None:
    """Photograph all."""
    Path(out).mkdir(parents=True, exist_ok=True)
    sizes = tuple(one for one in ("wide", "phone", "narrow") if f"--only={one}" in paths)
    themes = tuple(one for one in ("light", "dark") if f"--only={one}" in paths)
    with tempfile.TemporaryDirectory() as profile:
        driver = browser(profile)
        try:
            for path in paths:
                if path.startswith("/"):
                    found = shoot(
                        driver, Path(out), base, path,
                        sizes=sizes or ("wide", "phone"), themes=themes or ("light", "dark"),
                    )  # fmt: skip
                    print("\n".join(found) or f"{path}: fine")
        finally:
            driver.quit()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
