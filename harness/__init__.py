"""tcpspec: a conformance test harness for TCP implementations (RFC 9293)."""

import atexit
import gc

__version__ = "0.1.0"

# A process that ends need not look through all that it still holds; the interpreter would, for a second after a run.
atexit.register(gc.freeze)
