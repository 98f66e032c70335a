"""Texts from files as Markdown, read by another implementation of CommonMark."""

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_edge.dashboard.markdown import code, code_block, escape, table, trial_link

MarkdownIt = pytest.importorskip("markdown_it").MarkdownIt

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zs", "Zl", "Zp")))


def rendered(text):
    return MarkdownIt("commonmark").enable("table").enable("strikethrough").render(text)


@given(TEXTS)
def test_escaped_text_is_shown_as_it_is(text):
    html = rendered(f"x{escape(text, 10_000)}x")

    assert unescape(html) == f"<p>x{text}x</p>\n"


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=alert(1)>",
        "![a](http://b/c.png)",
        "[a](javascript:alert(1))",
        "a|b",
        "**a** _b_ ~~c~~ `d`",
        "&lt;",
        "\\",
    ],
)
def test_no_cell_breaks_out_of_its_table(text):
    html = rendered(table(["head", "other"], [[escape(text), "x"]]))

    cells = re.findall(r"<td>(.*?)</td>", html, re.S)
    assert [unescape(cell).rstrip("\u2002") for cell in cells] == [text, "x"]


def test_long_text_is_cut_and_lines_become_one():
    assert escape("a\n\tb\x00c") == "a b c"
    assert escape("x" * 50, limit=10) == "x" * 9 + "…"


@pytest.mark.parametrize("text", ["plain", "a ``` b\n````\nc", "`", "nas-edge show 'a b:1'"])
def test_code_is_not_ended_from_within(text):
    block, line = rendered(code_block(text)), rendered(code(text))

    assert unescape(block) == f"<pre><code>{text}\n</code></pre>\n"
    assert unescape(line) == f"<p><code>{' '.join(text.split())}</code></p>\n"


def test_link_goes_to_the_trials_page_of_the_dashboard():
    assert rendered(trial_link(3, 7)) == (
        '<p><a href="/dashboard/studies/3/trials?numbers=7">trial 7</a></p>\n'
    )
