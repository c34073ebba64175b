"""An adapter whose end is in what it is sent: `told_adapter.py [real]`. A packet's text is Python, done at once.

With `@MS` before it, it is done when so many milliseconds have passed. The stack never says a word.
"""

import contextlib
import os
import select
import signal
import sys
import time

PACE = "real" if "real" in sys.argv[1:] else "virtual"
GREETING = f"ok tcpspec-adapter 1 name=Told version=1.0 time={PACE} capabilities=states"
WORDS = {"listen": "ok 1", "connect": "ok 1", "state": "ok CLOSED", "accept": "err EAGAIN", "recv": "err EAGAIN"}
NAMES = {"os": os, "signal": signal, "sys": sys, "time": time}


def last_words(text: str, code: int) -> None:
    """Come to an end as a runtime does that has found a bug."""
    print(text, file=sys.stderr, flush=True)
    os._exit(code)


class Stack:
    """Its time, and what it does later."""

    def __init__(self) -> None:
        self.now = 0.0
        self.later: list[tuple[float, str]] = []
        self._zero = time.monotonic()

    def take(self, packet: bytes) -> None:
        """Do what the text of a packet says."""
        text = packet[20 + 4 * (packet[32] >> 4) :].decode()
        delay, separator, what = text.removeprefix("@").partition(" ")
        if text.startswith("@") and separator:
            self.later.append((self.now + float(delay), what))
        else:
            self._do(text)

    def advance(self, milliseconds: float) -> None:
        """Let time pass, and do what is due."""
        if PACE == "real":
            select.select([], [], [], milliseconds / 1000)
            self.now = 1000 * (time.monotonic() - self._zero)
        else:
            self.now += milliseconds
        due = [what for at, what in self.later if at <= self.now]
        self.later = [(at, what) for at, what in self.later if at > self.now]
        for what in due:
            self._do(what)

    def forget(self) -> None:
        """Forget what was to be done later."""
        self.later.clear()

    def _do(self, what: str) -> None:
        with contextlib.suppress(SyntaxError):
            exec(what, {**NAMES, "last_words": last_words, "waiting": len(self.later)})


def main() -> None:
    stack = Stack()
    for line in sys.stdin:
        verb, *words = line.split()
        if verb == "hello":
            answer = GREETING
        elif verb == "advance":
            stack.advance(float(words[0]))
            answer = f"ok {stack.now:.6f}"
        elif verb == "in":
            stack.take(bytes.fromhex(words[0]))
            answer = "ok"
        else:
            if verb == "reset":
                stack.forget()
            answer = WORDS.get(verb, "ok")
        print(answer, flush=True)


main()
