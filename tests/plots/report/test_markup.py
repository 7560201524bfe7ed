"""Text from files stays text: whatever it holds, the page's elements are those that were made."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plots.report.markup import element, page_text, readable


class Reader(HTMLParser):
    """Collects elements, the text in them and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.attributes: dict[str, str | None] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= dict(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(), st.text())
def test_any_text_comes_back_as_it_was(text: str, value: str) -> None:
    body = element("body", element("p", text, "|", title=value))
    read = Reader(page_text(element("html", element("head"), body), ""))
    assert read.tags == ["html", "head", "style", "body", "p"]
    assert read.text.strip("\n") == f"{readable(text)}|".strip("\n")
    assert (read.attributes["title"] or "") == readable(value)


def test_children_keep_their_order() -> None:
    made = element("p", "a", element("b", "c"), "d", element("i"), "e", class_="x", aria_label="y")
    text = page_text(element("html", element("head"), made), "p{}")
    assert '<p class="x" aria-label="y">a<b>c</b>d<i></i>e</p>' in text
    assert "<style>p{}</style></head>" in text
    assert text.startswith("<!DOCTYPE html>\n<html>")


def test_characters_that_deceive_or_cannot_be_are_marked() -> None:
    assert readable("a\0b\ud800c\u202ed\x1b[31m") == "a\ufffdb\ufffdc\ufffdd\ufffd[31m"
    assert readable("Grün, 画像 and\na\ttab, 1\u202f000") == "Grün, 画像 and\na\ttab, 1\u202f000"


@pytest.mark.parametrize("style", ["p{} </style><script>", "<!--"])
def test_a_style_sheet_cannot_end_itself(style: str) -> None:
    with pytest.raises(ValueError, match="style sheet"):
        page_text(element("html", element("head")), style)
