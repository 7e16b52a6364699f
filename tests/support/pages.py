"""The README and the pages of docs/, and the blocks of code in them."""

import dataclasses
import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))


@dataclasses.dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
      page: File name of the page.
      number: Position among the blocks of the page, from 0.
      language: `sh`, `python` or `text`.
      code: Its lines.
    """

    page: str
    number: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page}-{self.number}"

    def commands(self) -> list[list[str]]:
        """Returns the words of each command of a block of shell, without comments."""
        assert self.language == "sh"
        words = shlex.split(self.code.replace("\\\n", " ").replace(" && ", "\n").replace("\n", " ;\n"), comments=True)
        lines: list[list[str]] = [[]]
        for word in words:
            lines.append([]) if word == ";" else lines[-1].append(word)
        return [line for line in lines if line]


def blocks_of(page: Path) -> list[Block]:
    """Returns the blocks of code of a page, in order."""
    found = re.findall(r"^```(\S*)\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    return [Block(page.name, number, language, code) for number, (language, code) in enumerate(found)]


BLOCKS = tuple(block for page in PAGES for block in blocks_of(page))


def block_with(page: str, text: str) -> Block:
    """Returns the only block of a page that has this text."""
    (block,) = [block for block in BLOCKS if block.page == page and text in block.code]
    return block


def with_small(code: str, replacements: dict[str, str]) -> str:
    """Returns code with each of these texts replaced, of which each must occur."""
    for real, small in replacements.items():
        assert real in code, real
        code = code.replace(real, small)
    return code
