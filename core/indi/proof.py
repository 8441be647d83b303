"""Prove that a message is well-formed XML, with lxml: no entities, no document type, no network.

Every thread has one dictionary of lxml, which never forgets what it has been given: names, also those of instructions,
entities and namespaces, and blank text. So a peer could fill the memory with ever new ones. lxml keeps the dictionary
with what belongs to the thread; that is taken away after a while, and what has been parsed keeps its own.
"""

from __future__ import annotations

import ctypes
import re
import threading
from typing import TYPE_CHECKING

from core.errors import NotUnderstood, ProtocolError

if TYPE_CHECKING:
    from lxml import etree

_FOREIGN_NAME = re.compile(rb"<[^\"'>\x80-\xff]*+(?:(?:\"[^\"]*+\"|'[^']*+')[^\"'>\x80-\xff]*+)*[\x80-\xff]")
"""A tag that has a letter beyond ASCII outside of its values."""

FORGETS_AFTER = 4 << 20
"""After how many bytes of messages lxml forgets their names, of which each costs up to six times its length."""

_thread_state = ctypes.pythonapi.PyThreadState_GetDict
_thread_state.argtypes = []
_thread_state.restype = ctypes.c_void_p  # a borrowed reference, which py_object would take for its own


class _Thread(threading.local):
    """Be what each thread has of its own: its parser, and how many bytes that has been given."""

    parser: etree.XMLParser | None = None
    given = 0


_thread = _Thread()


def load() -> None:
    """Import lxml and make the parser now, so that the first message need not wait for that."""
    if _thread.parser is None:
        _thread.parser = _make_parser()


def _make_parser() -> etree.XMLParser:
    from lxml import etree

    # huge_tree: a BLOB of 16 MiB is one text node, and lxml's default limit is 10 MB.
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=True,
        remove_comments=True,
        remove_pis=True,
        encoding="utf-8",
    )


def prove(raw: bytes) -> etree._Element:
    """Return the element that `raw` is; raise ProtocolError with lxml's reason if it is not well-formed.

    Raises NotUnderstood for one with namespaces: clients know nothing of them, and would read other names than we do.
    """
    from lxml import etree

    load()
    _thread.given += len(raw)
    if _thread.given > FORGETS_AFTER:
        _forget_names()
    try:
        element = etree.fromstring(raw, _thread.parser)
    except etree.XMLSyntaxError as error:
        raise ProtocolError(f"not well-formed: {error.msg}") from None
    if (b"xmlns" in raw or b"xml:" in raw) and any(map(_has_namespace, element.iter())):
        raise NotUnderstood("a message has namespaces, and INDI has none")
    return element


def _has_namespace(element: etree._Element) -> bool:
    return bool(element.nsmap) or any(str(key).startswith("{") for key in element.attrib)


def _forget_names() -> None:
    """Let this thread begin a new dictionary."""
    from lxml import etree

    default = etree.get_default_parser()
    ctypes.cast(_thread_state(), ctypes.py_object).value.pop("_ParserDictionaryContext", None)
    _thread.parser = _make_parser()
    _thread.given = 0
    # A thread takes its dictionary from the first parser that is used in it: from no old one.
    etree.fromstring(b"<a/>", _thread.parser)
    etree.set_default_parser(default)


def has_foreign_names(raw: bytes) -> bool:
    """Return whether a name in a proven message without comments and sections is not ASCII.

    lxml takes those of XML 1.0's fifth edition. The expat of clients knows the fourth, and would read nothing more.
    """
    return not raw.isascii() and _FOREIGN_NAME.search(raw) is not None


def write(element: etree._Element) -> bytes:
    """Return the bytes of an element, without comments, CDATA sections and processing instructions."""
    from lxml import etree

    return etree.tostring(element, encoding="utf-8", xml_declaration=False)
