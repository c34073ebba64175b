"""The container engine: reached once, its errors as one sentence with a hint."""

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.targets.protocol import UnusableTarget

if TYPE_CHECKING:
    import docker

#: How long the engine may take for one request. Starting a container takes half a second; a busy disk takes longer.
REQUEST_LIMIT_S = 60.0
#: How long it may take to say that it is there.
GREETING_LIMIT_S = 10.0
WITHOUT = "the targets linux and reference need no engine"


def connect(limit_s: float = REQUEST_LIMIT_S) -> "docker.DockerClient":
    """Return a client of the engine that DOCKER_HOST or the usual socket leads to; raises UnusableTarget."""
    import docker

    where = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    with translated(f"the engine at {where}"):
        client = docker.from_env(timeout=GREETING_LIMIT_S)
        client.ping()
    client.api.timeout = limit_s
    return client


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn the engine's errors into UnusableTarget; `what` is what could not be had because of them."""
    import docker.errors
    import requests.exceptions

    try:
        yield
    except docker.errors.APIError as error:
        text = str(error.explanation or error)
        raise UnusableTarget(f"{what}: {text}", _hint(text)) from None
    except requests.exceptions.Timeout:
        raise _silent(what) from None
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise _unreachable(what, error) from None


def _hint(text: str) -> str:
    if "no space left" in text.lower():
        return "`docker system df` shows what takes the space, `docker system prune` frees some"
    return ""


def _unreachable(what: str, error: BaseException) -> UnusableTarget:
    text = str(error)
    if "timed out" in text:  # the SDK wraps what happens while it asks for the engine's version
        return _silent(what)
    if "Permission denied" in text or "PermissionError" in text:
        hint = f"sudo usermod -aG docker $USER, then log in again; {WITHOUT}"
        return UnusableTarget(f"{what}: no permission on its socket", hint)
    if "FileNotFoundError" in text or "Connection refused" in text or "ConnectionRefusedError" in text:
        hint = f"install docker (`apt-get install docker.io`) or start it (`systemctl start docker`); {WITHOUT}"
        return UnusableTarget(f"{what}: there is no engine", hint)
    return UnusableTarget(f"{what}: {text}", WITHOUT)


def _silent(what: str) -> UnusableTarget:
    return UnusableTarget(f"{what}: the engine does not answer in time", "is the engine or its disk busy?")
