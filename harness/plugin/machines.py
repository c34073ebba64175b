"""Other machines: what pytest's command line must look like when xdist's gateways (``--tx``, ``--px``) lead to some.

There, tcpspec is installed, and each worker has a pod of its own. xdist translates every path that is an argument of
its own into one below a folder that it copies; nothing has to be copied, so no path may stand there.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

_GATEWAYS = ("--tx", "--px")
#: A gateway, or so many of them, that are processes of this machine.
_LOCAL = re.compile(r"(\d+\*)?popen\b")
#: What `run.ini` says, for a machine where that file lies elsewhere.
_SETTINGS = (
    "--config-file=/dev/null",
    "--rootdir=/",
    "-oaddopts=--strict-markers --strict-config",
    "-opython_files=test_*.py",
    "-ofilterwarnings=ignore:Module already imported so cannot be rewritten:pytest.PytestAssertRewriteWarning",
)
_CASES = ("--pyargs", "testcases", "--ignore-glob=*/testcases/selftest")


def are_named(arguments: Sequence[str]) -> bool:
    """Tell whether a gateway leads elsewhere than to a process of this machine."""
    texts = [*arguments, ""]
    specs = [
        text.partition("=")[2] or following
        for text, following in pairwise(texts)
        if text.partition("=")[0] in _GATEWAYS
    ]
    return any(not _LOCAL.match(spec) for spec in specs)


def command_line(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a run of the tool's own cases on other machines."""
    joined: list[str] = []
    for text in arguments:
        if joined and joined[-1].startswith("--") and "=" not in joined[-1] and Path(text).exists():
            joined[-1] += f"={text}"
        else:
            joined.append(text)
    return [*_SETTINGS, "-p", "no:cacheprovider", *_CASES, *joined]
