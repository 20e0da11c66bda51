"""The documentation as the tests read it: pages, code blocks, links and anchors."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
_HTML_TAG = re.compile(r"<[^>]*>")
_NOT_IN_SLUG = re.compile(r"[^\w\- ]")


@dataclass(frozen=True)
class Block:
    """A fenced code block. `flags` are the words after the language."""

    page: "Page"
    line: int
    language: str
    flags: frozenset[str]
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Page:
    path: Path

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def _tokens(self) -> list[Token]:
        return MarkdownIt("commonmark").enable("table").parse(self.text)

    @cached_property
    def blocks(self) -> list[Block]:
        return list(self._blocks())

    def _blocks(self) -> Iterator[Block]:
        for token in self._tokens:
            if token.type == "fence":
                assert token.map is not None
                language, *flags = token.info.split() or [""]
                yield Block(self, token.map[0] + 1, language, frozenset(flags), token.content)

    @cached_property
    def links(self) -> list[str]:
        """Targets of links and images."""
        return [
            str(child.attrs[name])
            for child in self._inline()
            for name in ("href", "src")
            if name in child.attrs
        ]

    @cached_property
    def code_spans(self) -> list[str]:
        return [child.content for child in self._inline() if child.type == "code_inline"]

    @cached_property
    def anchors(self) -> set[str]:
        """Anchors of the headings, as GitHub makes them."""
        seen: Counter[str] = Counter()
        anchors = set()
        for heading, inline in zip(self._tokens, self._tokens[1:], strict=False):
            if heading.type == "heading_open":
                text = _HTML_TAG.sub("", inline.content).replace("`", "")
                slug = _NOT_IN_SLUG.sub("", text.strip().lower()).replace(" ", "-")
                anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
                seen[slug] += 1
        return anchors

    @cached_property
    def titles(self) -> int:
        """Number of first-level headings."""
        return sum(token.type == "heading_open" and token.tag == "h1" for token in self._tokens)

    @cached_property
    def tables(self) -> list[list[list[str]]]:
        """Tables as rows of cells, the header first; cells are Markdown source."""
        tables: list[list[list[str]]] = []
        is_cell = False
        for token in self._tokens:
            match token.type:
                case "table_open":
                    tables.append([])
                case "tr_open":
                    tables[-1].append([])
                case "th_open" | "td_open":
                    is_cell = True
                case "inline" if is_cell:
                    tables[-1][-1].append(token.content)
                    is_cell = False
        return tables

    def _inline(self) -> Iterator[Token]:
        for token in self._tokens:
            yield from token.children or ()


TOP = [
    Page(ROOT / name)
    for name in (
        "README.md",
        "CHANGELOG.md",
        "CODE_OF_CONDUCT.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "clients/python-stubs/README.md",
    )
]
PAGES = [*TOP, *map(Page, sorted((ROOT / "docs").rglob("*.md")))]


def blocks(*languages: str) -> list[Block]:
    """Blocks of these languages on all pages, but for those marked `no-test`."""
    return [
        block
        for page in PAGES
        for block in page.blocks
        if block.language in languages and "no-test" not in block.flags
    ]
