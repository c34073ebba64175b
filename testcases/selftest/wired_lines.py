"""The machine's own kernel behind a device, told what to call: ``wired_lines.py DEVICE LAYER WHERE SETTING=VALUE…``.

WHERE is ``-`` for standard input and output, HOST:PORT or a path for a socket, ``/dev/…`` for a serial line, and
``=PROGRAM`` for another application, on standard input and output. It is
`wired_linux` with `harness.agent.lines` as its application, whose sockets are those of a namespace that nobody knows.
"""

import subprocess
import sys
import threading

from harness.agent import lines
from testcases.selftest.wired_linux import hand_over, set_up


def main() -> None:
    """Open the place of the lines, enter the namespace, and answer."""
    where = sys.argv[3]
    listener = lines.door(where) if where[0] not in "-=" and not where.startswith("/dev/") else None
    devices = set_up(sys.argv[1], int(sys.argv[2]), sys.argv[4:])
    threading.Thread(target=hand_over, args=devices, daemon=True).start()
    if where == "-":
        lines.serve(sys.stdin.buffer, sys.stdout.buffer)
    elif where[0] == "=":
        raise SystemExit(subprocess.run([where[1:]]).returncode)
    elif listener is None:
        line = lines.serial(where)
        lines.serve(line, line)
    else:
        for stream in lines.visitors(listener):
            lines.serve(stream, stream)


if __name__ == "__main__":
    main()
