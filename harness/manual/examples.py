"""An example for every verb, and what exit codes mean; `--help` prints them."""

EXIT_CODES = """exit codes (pytest's):
  0  everything is as expected
  1  something is not: a violation, a declared deviation that is gone, an unstable verdict
  2  interrupted
  3  an error of the tool itself, or cases that a lost worker took with it
  4  usage: no privileges, no such target or case, a file that can't be used
  5  nothing ran: that is never success
"""

EXAMPLES: dict[str, tuple[str, ...]] = {
    "run": (
        "tcpspec run --case 'time-wait/*' --ip 6",
        "tcpspec run --target exec:./my-adapter --timers --junitxml=results/tcp.xml",
        "tcpspec run --for 60s",
        "tcpspec run close.pkt more-scripts/ --target kernel:6.12",
    ),
    "list": ("tcpspec list --rfc 9293/3.6",),
    "explain": (
        "tcpspec explain simultaneous-close",
        "tcpspec explain 'grid/established/syn/inside/-/none'",
        "tcpspec explain simultaneous-close --pkt",
    ),
    "show": ("tcpspec show four-way-close", "tcpspec show three-way-handshake -v --target reference"),
    "report": ("tcpspec report results -o report.html",),
    "compare": ("tcpspec compare before after", "tcpspec compare --target linux --target reference"),
    "matrix": ("tcpspec matrix results",),
    "merge": ("tcpspec merge shard-1 shard-2 -o results",),
    "docs": ("tcpspec docs", "tcpspec docs --layers"),
    "coverage": ("tcpspec coverage results", "tcpspec coverage --by tc8 results"),
    "grid": ("tcpspec grid --json cells.json",),
    "mutate": ("tcpspec mutate D01 D54",),
    "variants": ("tcpspec variants", "tcpspec variants --mixtures 60 --explore 40"),
    "explore": ("tcpspec explore --help",),
    "pkt": ("tcpspec pkt coverage scripts/ --target linux --target lwip",),
    "fuzz": ("tcpspec fuzz --target reference,defect=D54 --against reference --count 50",),
    "learn": ("tcpspec learn --target linux --role server",),
    "doctor": ("tcpspec doctor",),
    "bench": ("tcpspec bench", "tcpspec bench stability --runs 20"),
    "adapter": ("tcpspec adapter check ./my-adapter",),
    "declare": ("tcpspec declare results -o my-stack.toml", "tcpspec declare results --update my-stack.toml"),
    "build": ("tcpspec build lwip",),
    "kernels": ("tcpspec kernels",),
    "test": ("tcpspec test", "tcpspec test testcases/selftest/trace/test_ladder.py"),
    "help": ("tcpspec help ci",),
    "completion": (
        'eval "$(tcpspec completion bash)"',
        "tcpspec completion fish > ~/.config/fish/completions/tcpspec.fish",
    ),
}


def of(verb: str) -> str:
    """Return the examples of a verb, as `--help` shows them."""
    found = EXAMPLES[verb]
    return "\n".join([f"example{'s' if len(found) > 1 else ''}:", *(f"  {line}" for line in found)])
