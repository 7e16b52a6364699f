"""Puts the examples of docstrings into fences, so that Markdown shows them as code. A griffe extension; see mkdocs.yml."""

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
    lines, inside = [], False
    for line in [*text.splitlines(), ""]:
        if not inside and line.lstrip().startswith(">>> "):
            lines.append(f"{_indent(line)}```pycon")
            inside = True
        elif inside and not line.strip():
            lines.append(f"{_indent(lines[-1])}```")
            inside = False
        lines.append(line)
    return "\n".join(lines[:-1])


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]
