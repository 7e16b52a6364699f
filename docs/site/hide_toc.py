"""Leaves the table of contents out beside pages with wide tables: a hook of MkDocs.

The front matter `hide: [toc]` would do it too, but GitHub shows that as a table.
"""

from typing import Any

WIDE = ("commands.md", "comparison.md", "tfrecords.md")


def on_page_markdown(markdown: str, *, page: Any, **kwargs: Any) -> None:
    """Is called by MkDocs for each page."""
    if page.file.src_uri in WIDE:
        page.meta["hide"] = ["toc"]
