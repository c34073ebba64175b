"""Removes the containers that a crash of the engine, or of the machine, has left."""

import contextlib
from collections.abc import Iterator

from harness.targets.container import confined, engine
from harness.targets.container.ownership import orphans


def sweep() -> Iterator[str]:
    """Remove the containers that nobody needs, and yield a line about each; raises UnusableTarget."""
    client = engine.connect()
    with contextlib.closing(client), engine.translated("the containers that are left"):
        for found in orphans(client.api):
            confined.remove(client.api, found["Id"])
            yield f"removed: container {found['Id'][:12]} of {found['Image']} ({found['Status'].lower()})"
