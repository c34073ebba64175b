"""An adapter that does not end with its standard input."""

import sys
import time

for line in sys.stdin:
    print("ok tcpspec-adapter 1 name=Deaf version=1 time=virtual" if line.startswith("hello") else "ok", flush=True)
while True:
    time.sleep(60)
