"""Text that XML can hold."""

from __future__ import annotations

import re

# What XML 1.0 cannot hold at all: https://www.w3.org/TR/xml/#charsets
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """Return *text* with a replacement character for each that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
