"""Addresses of a pod take packets from the moment on at which they are added, also while the machine is busy."""

import os
import subprocess
import sys

#: In a namespace of its own: connects to each address as soon as it is there, which needs a route to it.
MEETS = """
import os, socket
from harness.agent.rtnetlink import RouteSocket
from harness.targets.namespace.helper import new_namespaces

new_namespaces(rootless=os.geteuid() != 0)
with RouteSocket() as route:
    route.up(socket.if_nametoindex("lo"))
    for version, family, pattern, length in (
        (4, socket.AF_INET, "198.18.{}.1", 32),
        (6, socket.AF_INET6, "2001:db8::{:x}", 128),
    ):
        for number in range(200):
            address = pattern.format(number + 1)
            route.add_address(1, version, address, length)
            with socket.socket(family, socket.SOCK_DGRAM) as peer:
                peer.connect((address, 9))
print("met")
"""
#: It takes a processor for as long as it is not ended.
BUSY = "while True: pass"


def test_an_address_takes_packets_as_soon_as_it_is_there() -> None:
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _each in range(2 * (os.cpu_count() or 1))]
    try:
        met = subprocess.run([sys.executable, "-c", MEETS], capture_output=True, text=True, check=False)
    finally:
        for each in busy:
            each.kill()
            each.wait()
    assert met.stdout == "met\n", met.stderr
