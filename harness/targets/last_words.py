"""What a program wrote to its standard error before it came to its end: the part that tells why.

Runtimes write the reason first and then how they came there, in pages.
"""

import re

#: So much of the end of it is looked at, and so much of that is shown, in octets.
LAST_WORDS = 32_000
SHOWN = 2_000
#: How a reason begins: of Go, Rust, C and C++, ns-3, Python, a sanitizer.
_REASON = re.compile(
    r"^(?:panic:|fatal error:|thread '.*' .*panicked at|.*[Aa]ssert|terminate called|NS_FATAL|==\d+==\s*ERROR:"
    r"|Traceback|\S+Error:|.*runtime error:)",
    re.MULTILINE,
)

#: What a program does to a terminal that it takes for one (ECMA-48: control sequences), and other controls.
_SEQUENCE, _CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]"), re.compile(r"[^\t\n -~\xa0-\U0010ffff]+")


def printable(octets: bytes) -> str:
    """Return what was written as text that does nothing to a terminal: what is no text is shown as one `�`."""
    text = _SEQUENCE.sub("", octets.decode(errors="replace").replace("\r\n", "\n"))
    return re.sub("�+", "�", _CONTROL.sub("�", text))


def telling(text: str) -> str:
    """Return what of `text` is to be shown: from the last reason on, else the end."""
    text = text.strip()
    if len(text) <= SHOWN:
        return text
    reasons = [*_REASON.finditer(text)]
    return text[reasons[0].start() :][:SHOWN].strip() if reasons else text[-SHOWN:].strip()
