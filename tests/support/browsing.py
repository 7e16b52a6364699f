"""Pages in a real browser, and their HTML without one."""

import contextlib
import html.parser
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

WIDTHS, THEMES = (360, 768, 1280), ("light", "dark")


@contextlib.contextmanager
def chromium() -> Iterator:
    """Yields a headless Chromium, or skips the test without one."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra `test`)")
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_api.sync_playwright() as playwright:
        try:
            own = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except sync_api.Error:
            if found:
                raise
            pytest.skip("no Chromium: install Debian's package `chromium`, or run `playwright install chromium`")
        yield own
        own.close()


@contextlib.contextmanager
def opened(browser, content: bytes, path: Path, width: int = 1280, theme: str = "light") -> Iterator:
    """Yields a page in the browser. Asserts at the end that it was silent and asked for nothing."""
    path.write_bytes(content)
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme)
    said, asked = [], []
    own = context.new_page()
    own.on("console", lambda message: said.append(message.text))
    own.on("pageerror", lambda error: said.append(str(error)))
    own.on("request", lambda request: asked.append(request.url))
    own.goto(path.as_uri())
    yield own
    context.close()
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]


class Parser(html.parser.HTMLParser):
    """Collects tags, links and text of a page, and asserts that the tags are closed in order.

    Attributes:
      open: Tags that are not closed.
      tags: All tags.
      labels: Labels of the drawings.
      sources: Values of `src` and `href`.
      text: The text, with that of scripts and styles.
    """

    VOID = {"meta", "link", "input", "img", "br", "wbr", "rect", "line", "path", "circle"}

    def __init__(self, content: bytes):
        super().__init__()
        self.open, self.tags, self.labels, self.sources, self.text = [], [], [], [], ""
        self.feed(content.decode())

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        self.sources += [values[key] for key in ("src", "href") if key in values]
        assert "style" not in values and not [key for key in values if key.startswith("on")]
        if tag == "svg":
            self.labels.append(values["aria-label"])
        if tag == "img":
            assert values["alt"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
