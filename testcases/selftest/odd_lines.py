"""Applications behind a device that are told by lines what to call, and do it wrongly: ``odd_lines.py HOW DEVICE``."""

import os
import sys
import threading

from harness.agent import lines
from testcases.selftest.wired_linux import hand_over, set_up


class Odd(lines.Application):
    """An application with one oddity."""

    def answer(self, line: str) -> str:
        """Answer, but for the oddity."""
        how, verb = sys.argv[1], line.partition(" ")[0]
        right = super().answer(line)
        if verb == "hello":
            print("a log of its own, that nobody takes for anything else", file=sys.stderr, flush=True)
            return {
                "virtual": right.replace("time=real", "time=virtual"),
                "claims": right.replace("states", "telepathy"),
                "packet": f"out 0 45\n{right}",
                "babbles": f"{right}\nhello yourself",
                "nonsense": "welcome",
            }.get(how, right)
        if how == "dies" and verb == "shutdown":
            print("assertion failed: nobody closes here", file=sys.stderr, flush=True)
            os._exit(3)
        if how == "closed" and verb == "listen":
            super().answer(f"close {right.split()[1]}")
        if how == "keeps" and verb == "reset":
            return "err ENOSYS nothing is forgotten here"
        if how == "few" and verb in ("connect", "abort"):
            return f"err ENOSYS there is no {verb} here"
        return right


def main() -> None:
    """Serve on standard input and output."""
    threading.Thread(target=hand_over, args=set_up(sys.argv[2], 2, []), daemon=True).start()
    lines.Application = Odd  # type: ignore[misc]
    lines.serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
