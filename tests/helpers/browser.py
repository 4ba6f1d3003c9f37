"""Runs a page in headless Chromium; tests that need it are skipped where it is missing."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
WHILE = 5000  # milliseconds of the clock of the page, which runs faster than ours

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

FINAL = """
<script type="module">
const result = document.createElement("pre");
result.id = "result";
const sleep = ms => new Promise(done => setTimeout(done, ms));
try {
  result.textContent = JSON.stringify(await (async () => { %s })());
} catch (error) {
  result.textContent = JSON.stringify({ error: String(error.stack) });
}
document.body.append(result);
</script>
"""


def run_in_browser(page: Path, script: str, *, width: int = 1280, flags: tuple[str, ...] = ()):
    """The value that a JavaScript function body returns at the end of a page; it may `await`, e.g. `sleep(ms)`."""
    copy = page.with_name(f"{page.stem}_with_script.html")
    copy.write_text(page.read_text(encoding="utf-8") + FINAL % script, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={page.parent / 'browser'}"]
    options += [f"--window-size={width},1000", f"--virtual-time-budget={WHILE}", *flags, "--dump-dom"]
    try:
        done = subprocess.run([CHROMIUM, *options, copy.as_uri()], capture_output=True, text=True, timeout=120)
    finally:
        copy.unlink()
    found = re.search(r'<pre id="result">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, f"the script of {page} did not end: {done.stderr[-2000:]}"
    value = json.loads(html.unescape(found[1]))
    assert not (isinstance(value, dict) and "error" in value), value["error"]
    return value


def overflow(page: Path, width: int) -> int:
    """The number of pixels by which a page is wider than a window; narrow windows need a frame in headless Chromium."""
    script = """
    const frame = document.createElement("iframe");
    frame.style = "border: 0; height: 800px; width: WIDTHpx";
    frame.srcdoc = document.documentElement.outerHTML.replace(/<script type="module">[^]*$/, "");
    const loaded = new Promise(done => frame.onload = done);
    document.body.append(frame);
    await loaded;
    await sleep(200);
    const root = frame.contentDocument.documentElement;
    return root.scrollWidth - root.clientWidth;
    """
    return run_in_browser(page, script.replace("WIDTH", str(width)))
