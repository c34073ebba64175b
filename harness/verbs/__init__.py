"""The verbs of the command `tcpspec`, a file each: `HELP` is its line, `USAGE` where it has no parser, `main` runs it.

`main` takes the arguments behind the verb and returns the exit code.
"""

INTERRUPTED = 2
NOTHING_RAN = 5
USAGE_ERROR = 4
