"""The frame of a page: what is put in, what its security policy lets through, and texts that are not HTML."""

import base64
import hashlib
import json
import re

import browsing
import pytest

from ilsvrc_tfds.pages.elements import Figure, Section, facts, figures, table, tile
from ilsvrc_tfds.pages.page import Heading, page

HEADING = Heading("report", "Report on a set", "raw256", "/data", "1.4.0", "2026-01-31T12:05:00+00:00")
HOSTILE = '</title></script><img src=x onerror="window.hacked=1">{{script}}&amp;'


def test_policy_names_the_digests_of_style_and_script():
    text = page(HEADING, [], style="p { margin: 0; }", script="window.ran = 1;").decode()
    for kind, pattern in (("style", "<style>(.*?)</style>"), ("script", "<script>(.*?)</script>")):
        content = re.search(pattern, text, re.S)[1]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in text


def test_sections_with_a_title_are_listed():
    parsed = browsing.Parser(page(HEADING, [Section("top", "", "<p>1</p>"), Section("odd", "Odd images", "<p>2</p>")]))
    assert [source for source in parsed.sources if source.startswith("#")] == ["#main", "#odd"]
    assert parsed.open == [] and "31 January 2026, 12:05 UTC" in parsed.text


def test_texts_are_not_html():
    heading = Heading(*(HOSTILE for _ in range(5)), HEADING.created)
    content = [facts([(HOSTILE, HOSTILE)]), figures([Figure(HOSTILE, HOSTILE, HOSTILE)]), table([], [], HOSTILE)]
    content.append(tile("data:,", HOSTILE, HOSTILE, [], HOSTILE))
    made = page(heading, [Section("a", HOSTILE, "".join(content))], data=HOSTILE)
    parsed = browsing.Parser(made)
    assert parsed.open == [] and parsed.tags.count("img") == 1 and parsed.tags.count("script") == 2
    assert json.loads(re.search(rb'id="data">(.*?)</script>', made, re.S)[1]) == HOSTILE


@pytest.mark.slow
def test_browser_runs_the_script_and_refuses_all_else(browser, tmp_path):
    content = page(HEADING, [Section("a", "A", "<p id='p'>1</p>")], script="document.title += ' ran';")
    with browsing.opened(browser, content, tmp_path / "page.html") as own:
        assert own.title() == "raw256: report ran"
    worse = content.replace(
        b"<p id='p'>1</p>", b"<p id='p' style='color: red'>1</p><script>window.hacked = 1;</script>"
    )
    with pytest.raises(AssertionError, match="Content Security Policy"):
        with browsing.opened(browser, worse, tmp_path / "page.html") as own:
            assert own.evaluate("window.hacked") is None
