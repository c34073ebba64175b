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


def telling(text: str) -> str:
    """Return what of `text` is to be shown: from the last reason on, else the end."""
    text = text.strip()
    if len(text) <= SHOWN:
        return text
    reasons = [*_REASON.finditer(text)]
    return text[reasons[0].start() :][:SHOWN].strip() if reasons else text[-SHOWN:].strip()
