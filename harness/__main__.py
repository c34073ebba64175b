"""``python -m harness`` is the command `tcpspec`."""

import sys

from harness.cli import main

sys.exit(main())
