"""``tcpspec help TASK``: the pages of the manual, each beside what it describes."""

from dataclasses import dataclass
from pathlib import Path

_HARNESS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Page:
    """A page: where it lies below the repository, and what it is about."""

    file: str
    about: str

    @property
    def path(self) -> Path:
        """The file; what lies below docker/ is installed under another name."""
        top, _slash, rest = self.file.partition("/")
        if top == "harness":
            return _HARNESS / rest
        checkout = _HARNESS.parent / self.file
        return checkout if checkout.exists() else _HARNESS / "_docker" / rest


PAGES: dict[str, Page] = {
    "failure": Page("harness/case/FAILURES.md", "read a failure: rule, ladder, codes, verdicts, a wall of failures"),
    "kernel": Page("harness/targets/KERNELS.md", "test this kernel, compare two, bisect the tree on your desk"),
    "stack": Page("harness/targets/STACKS.md", "validate a stack: adapter, image, lwIP, smoltcp, the reference"),
    "adapter": Page("docker/ADAPTER.md", "the protocol between the tool and a stack"),
    "wired": Page(
        "harness/targets/wired/WIRED.md", "test a program behind TAP or TUN, or a board on a cable, as it is"
    ),
    "container": Page("docker/CONTAINERS.md", "test the kernel in a container, or another runtime's TCP"),
    "declare": Page("harness/expectations/DECLARING.md", "declare what is known of a target"),
    "findings": Page("harness/expectations/FINDINGS.md", "defects of released stacks that the tool has found"),
    "results": Page("harness/report/REPORTS.md", "report, comparison, matrix, coverage"),
    "schema": Page("harness/trace/RESULTS.md", "results.jsonl, line by line"),
    "ci": Page("harness/plugin/CI.md", "in CI: GitHub, GitLab, TAP, shards, other machines, pytest's options"),
    "cases": Page("harness/case/CASES.md", "write cases of your own"),
    "grid": Page("harness/grid/GRID.md", "the grid of states and segments"),
    "explore": Page("harness/explore/EXPLORE.md", "play whole conversations that nobody wrote"),
    "pkt": Page("harness/pkt/PKT.md", "run the packetdrill scripts that you have, on every target"),
    "fuzz": Page("harness/fuzz/FUZZ.md", "compare two stacks by random sequences"),
    "learn": Page("harness/learn/LEARN.md", "learn what a stack really does: its machine, differences, tests"),
    "defects": Page("harness/mutate/DEFECTS.md", "the seeded defects, and what kills them"),
    "variants": Page("harness/stack/variants/VARIANTS.md", "stacks that are correct, but different: no case may fail"),
    "architecture": Page("harness/ARCHITECTURE.md", "the packages, the life of a segment, where to add what"),
    "spec": Page("harness/spec/SPEC.md", "TCP as data: how a rule is read, and used without the harness"),
    "design": Page("harness/DESIGN.md", "how it works, and how to work on it"),
}


def listing() -> str:
    """Return the tasks, one per line."""
    width = max(map(len, PAGES))
    return "\n".join(f"  {name:<{width}}  {page.about}" for name, page in PAGES.items())
