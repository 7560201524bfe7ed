"""HTML as a tree, so that nothing that comes from a file can be taken for markup."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, tostring

__all__ = ["Content", "element", "page_text", "readable"]

Content = Element | str

# Printable in Python's sense leaves these out, and they do no harm.
_HARMLESS_SPACES = "\n\t\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}"


def element(tag: str, /, *children: Content, **attributes: str) -> Element:
    """Return `<tag attributes>children</tag>`; texts and values are escaped when the page is written.

    Args:
        tag: name of the element.
        children: elements and texts, in their order.
        attributes: by name; "class_" stands for "class", and "aria_label" for "aria-label".
    """
    names = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
    made = Element(tag, {name: readable(value) for name, value in names.items()})
    for child in children:
        if isinstance(child, Element):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + readable(child)
        else:
            made.text = (made.text or "") + readable(child)
    return made


def page_text(page: Element, style: str) -> str:
    """Return the text of a whole page, with a style sheet in its head.

    Args:
        page: the `html` element, whose first child is the `head`.
        style: of this project and nobody else's: it is not escaped, since style sheets cannot be.

    Raises:
        ValueError: the style sheet holds what would end it.
    """
    if re.search(r"</|<!", style):
        raise ValueError("A style sheet inside a page cannot hold '</' or '<!'.")
    page[0].append(_verbatim("style", style))
    return f"<!DOCTYPE html>\n{tostring(page, encoding='unicode', method='html')}\n"


def readable(text: str) -> str:
    """Put a mark in the place of characters that no page can hold, or that hide or turn what is near."""
    return "".join(
        character if character.isprintable() or character in _HARMLESS_SPACES else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def _verbatim(tag: str, text: str) -> Element:
    made = Element(tag)
    made.text = text
    return made
