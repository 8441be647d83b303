"""Prove that a message is well-formed XML, with lxml: no entities, no document type, no network."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from core.errors import ProtocolError

if TYPE_CHECKING:
    from lxml import etree

_FOREIGN_NAME = re.compile(rb"<[^\"'>\x80-\xff]*+(?:(?:\"[^\"]*+\"|'[^']*+')[^\"'>\x80-\xff]*+)*[\x80-\xff]")
"""A tag that has a letter beyond ASCII outside of its values."""

_parser: etree.XMLParser | None = None


def load() -> None:
    """Import lxml and make the parser now, so that the first message need not wait for that."""
    from lxml import etree

    global _parser
    if _parser is None:
        # huge_tree: a BLOB of 16 MiB is one text node, and lxml's default limit is 10 MB.
        _parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=True,
            remove_comments=True,
            remove_pis=True,
            encoding="utf-8",
        )


def prove(raw: bytes) -> etree._Element:
    """Return the element that `raw` is; raise ProtocolError with lxml's reason if it is not well-formed."""
    from lxml import etree

    load()
    try:
        return etree.fromstring(raw, _parser)
    except etree.XMLSyntaxError as error:
        raise ProtocolError(f"not well-formed: {error.msg}") from None


def has_foreign_names(raw: bytes) -> bool:
    """Return whether a name in a proven message without comments and sections is not ASCII.

    lxml takes those of XML 1.0's fifth edition. The expat of clients knows the fourth, and would read nothing more.
    """
    return not raw.isascii() and _FOREIGN_NAME.search(raw) is not None


def write(element: etree._Element) -> bytes:
    """Return the bytes of an element, without comments, CDATA sections and processing instructions."""
    from lxml import etree

    return etree.tostring(element, encoding="utf-8", xml_declaration=False)
