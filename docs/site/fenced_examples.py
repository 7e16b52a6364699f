"""Puts the examples of docstrings into fences, so that Markdown shows them as code: an extension of griffe."""

from typing import Any

import griffe


class FencedExamples(griffe.Extension):
    """Changes each docstring when its object is loaded."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """Returns a docstring whose examples, from `>>>` to the next empty line, are in fences.

    >>> print(fenced("Returns 2.").count("```"))
    0
    """
    lines, margin = [], None
    for line in [*text.splitlines(), ""]:
        if margin is None and line.lstrip().startswith(">>> "):
            margin = line[: len(line) - len(line.lstrip())]
            lines.append(f"{margin}```pycon")
        elif margin is not None and not line.strip():
            lines.append(f"{margin}```")
            margin = None
        lines.append(line)
    return "\n".join(lines[:-1])
