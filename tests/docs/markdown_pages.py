"""A page of the documentation as its reader sees it: code blocks, inline code, tables, links."""

from typing import Any, Dict, Iterator, List, NamedTuple

from markdown_it import MarkdownIt

SHELL = ("", "sh", "bash", "console")


class CodeBlock(NamedTuple):
    """A fenced or indented block; ``language`` is empty where none is said."""

    line: int
    language: str
    text: str


class Page:
    """A Markdown file, parsed."""

    def __init__(self, path: Any) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        self._tokens = MarkdownIt("commonmark").enable("table").parse(self.text)

    def code_blocks(self, *languages: str) -> List[CodeBlock]:
        """Return the blocks in one of some languages."""
        return [
            CodeBlock(token.map[0] + 1, token.info.strip(), token.content)
            for token in self._tokens
            if token.type in ("fence", "code_block") and token.info.strip() in languages
        ]

    def inline(self, kind: str) -> Iterator[Any]:
        """Yield the tokens of a kind inside the text, e.g. ``code_inline``, with their line."""
        for token in self._tokens:
            for child in token.children or ():
                if child.type == kind:
                    yield child

    def inline_code(self) -> List[str]:
        """Return what stands between backticks."""
        return [" ".join(token.content.split()) for token in self.inline("code_inline")]

    def links(self) -> List[str]:
        """Return where links and pictures lead."""
        return [
            *(str(token.attrs["href"]) for token in self.inline("link_open")),
            *(str(token.attrs["src"]) for token in self.inline("image")),
        ]

    def tables(self) -> Dict[str, List[Dict[str, str]]]:
        """Return the rows under each heading, its tables one after the other, by column."""
        found: Dict[str, List[Dict[str, str]]] = {}
        heading = ""
        columns: List[str] = []
        cells: List[str] = []
        for before, token in zip([self._tokens[0], *self._tokens], self._tokens):
            if token.type == "inline" and before.type == "heading_open":
                heading = token.content
            elif token.type == "thead_open":
                columns = []
            elif token.type == "inline" and before.type == "th_open":
                columns.append(token.content)
            elif token.type == "tr_open":
                cells = []
            elif token.type == "inline" and before.type == "td_open":
                cells.append(token.content)
            elif token.type == "tr_close" and cells:
                found.setdefault(heading, []).append(dict(zip(columns, cells)))
        return found


def code_of(cell: str) -> str:
    """Return the content of a cell that is one piece of code."""
    before, content, after = cell.split("`")
    assert (before, after) == ("", ""), cell
    return content
