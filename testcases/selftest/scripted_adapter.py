"""An adapter that misbehaves once: `scripted_adapter.py MODE MARKER`. With the file MARKER there it behaves.

It speaks the whole protocol of docker/ADAPTER.md, for a stack that takes every packet and never says a word.
"""

import ctypes
import os
import sys
import time
from pathlib import Path

GREETING = "ok tcpspec-adapter 1 name=Scripted version=1.0 time=virtual capabilities=states"


def say(line: str) -> None:
    print(line, flush=True)


def misbehave(mode: str) -> None:
    if mode == "crash":
        print("assertion failed: snd_nxt", file=sys.stderr, flush=True)
        ctypes.string_at(0)  # a real fault: the first process of a container ignores signals of its own
    elif mode == "exit":
        sys.exit(3)
    elif mode == "hang":
        time.sleep(60)
    elif mode == "mute":
        os.close(1)
        time.sleep(60)
    elif mode == "behind":
        print("ok\nout 0 00", flush=True)
    else:
        garbage = {"garbage": "hello world", "empty": "", "bad-hex": "out 0 4x", "bad-time": "out now 45"}
        garbage |= {"binary": "\xff\xfe", "no-name": "err", "long": "o" * 200_000}
        sys.stdout.buffer.write(garbage[mode].encode("latin-1") + b"\n")
        sys.stdout.flush()


def main() -> None:
    mode, marker = sys.argv[1], Path(sys.argv[2])
    armed = not marker.exists()
    now = 0
    for line in sys.stdin:
        verb, *words = line.split()
        if verb == "hello":
            say(GREETING)
        elif verb == "in" and armed:
            marker.touch()
            armed = False
            misbehave(mode)
        elif verb == "advance":
            now += int(words[0])
            say(f"ok {now}")
        elif verb in ("listen", "connect"):
            say("ok 1")
        elif verb == "state":
            say("ok CLOSED")
        elif verb in ("accept", "recv"):
            say("err EAGAIN nothing there")
        else:
            say("ok")


main()
