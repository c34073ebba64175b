"""``tcpspec completion SHELL``: a script for the shell, which asks `tcpspec complete` for what may come next."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from harness.manual import pages
from harness.targets import registry

_BASH = """\
_tcpspec() {
    local line="${COMP_LINE:0:$COMP_POINT}" word
    word="${line##* }"
    mapfile -t COMPREPLY < <(tcpspec complete "$line" 2>/dev/null)
    # To bash a colon ends a word: what stands before it is there already.
    [[ $word == *:* ]] && COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*:}"}"}")
}
complete -o default -F _tcpspec tcpspec
"""
_ZSH = """\
#compdef tcpspec
_tcpspec() {
    local -a found
    found=("${(@f)$(tcpspec complete "${(j: :)words[1,CURRENT]}" 2>/dev/null)}")
    [[ -n $found ]] && compadd -- $found || _files
}
compdef _tcpspec tcpspec
"""
_FISH = """\
complete -c tcpspec -a '(tcpspec complete (commandline -cp) 2>/dev/null)'
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}

_TEST = re.compile(r"^def test_(\w+)\(", re.MULTILINE)
#: Options of `run` that people type; `tcpspec run --help` has them all.
_OPTIONS = (
    *("--target", "--case", "--rfc", "--requirement", "--ip", "--level", "--timers", "--grid", "--results", "--for"),
    *("--expectations", "--no-expectations", "--drafts", "--failures", "--pcap", "--observer", "--set", "--time-scale"),
    *("--lf", "--ff", "--shard", "--max-failures", "--reruns", "--set-aside", "--tap", "--ktap", "--junitxml"),
    *("--pkt", "--pkt-match", "--pkt-dialect", "--pkt-shell", "-n", "-k", "-x", "-v"),
)
_VALUES: dict[str, tuple[str, ...]] = {
    "--ip": ("4", "6"),
    "--level": ("must", "should"),
    "--grid": ("off", "core", "full"),
    "--failures": ("kinds", "all"),
    "--pcap": ("off", "on", "retain-on-failure"),
    "--observer": ("sockdiag", "ss"),
    "--pkt-match": ("lenient", "strict", "packetdrill"),
    "--pkt-dialect": ("linux", "bsd"),
    "--by": ("tc8", "packetimpact", "rfc"),
}


def candidates(line: str, verbs: Iterable[str], cases: Callable[[], Iterable[str]]) -> list[str]:
    """Return what may stand at the end of a command line that begins with the command's own name."""
    words = line.split(" ")
    before, current = words[:-1], words[-1]
    return sorted({word for word in _possible(before[1:], verbs, cases) if word.startswith(current)})


def _possible(before: Sequence[str], verbs: Iterable[str], cases: Callable[[], Iterable[str]]) -> Iterable[str]:
    if not before:
        return verbs
    verb, last = before[0], before[-1]
    if last == "--target":
        return registry.kinds()
    if last in _VALUES:
        return _VALUES[last]
    if last == "--case" or (verb in ("show", "explain") and len(before) == 1):
        return cases()
    if verb == "help":
        return pages.PAGES
    if verb == "completion":
        return SCRIPTS
    return _OPTIONS if verb in ("run", "list", "show") else ()


def case_names(folders: Iterable[Path]) -> list[str]:
    """Return the names of scenarios, with and without topic; nothing is imported, so that a shell need not wait."""
    return [
        f"{group}{name}".replace("_", "-")
        for folder in folders
        for path in folder.glob("*/test_*.py")
        if path.parent.name != "selftest"
        for name in _TEST.findall(path.read_text(encoding="utf-8"))
        for group in ("", f"{path.parent.name}/")
    ]
