"""What the containers' keeper asks of the engine for an adapter: a confined container, its streams, its end."""

import contextlib
import os
import socket
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from harness.targets.adapter.line import SIGNALLED, ending_with_code
from harness.targets.container import engine
from harness.targets.container.confined import UNPRIVILEGED
from harness.targets.container.engine import translated
from harness.targets.container.ownership import OWNER_LABEL, owner

if TYPE_CHECKING:
    import docker

MEMORY_LIMIT = "512m"
PROCESS_LIMIT = 64
#: From the end of a container's streams to its exit code.
EXIT_LIMIT_S = 10.0
SIGKILL = 9


def create(
    api: "docker.APIClient",
    image: str,
    *,
    command: list[str] | None = None,
    beside: str | None = None,
    runtime: str | None = None,
) -> str:
    """Create the container, not started yet, and return its id; raises UnusableTarget.

    It sees the lines on its standard input and nothing else. That closes with the connection attached to it. An agent
    comes as `command`, to run under `runtime` on the network of the container `beside`.
    """
    from docker.types import LogConfig

    config: dict[str, Any] = api.create_host_config(
        network_mode="none" if beside is None else f"container:{beside}",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        read_only=True,
        tmpfs={"/tmp": "size=16m"},
        auto_remove=True,
        runtime=runtime,
        mem_limit=MEMORY_LIMIT,
        pids_limit=PROCESS_LIMIT,
        log_config=LogConfig(type="none"),
    )
    with translated(f"no container of {image} can be made"):
        made = api.create_container(
            image,
            entrypoint=command and command[:1],
            command=command and command[1:],
            stdin_open=True,
            user=UNPRIVILEGED,
            labels={OWNER_LABEL: owner()},
            healthcheck={"test": ["NONE"]},
            host_config=config,
        )
    return str(made["Id"])


def start(api: "docker.APIClient", image: str, container: str) -> socket.socket:
    """Start the container and return its attached streams; raises UnusableTarget."""
    with translated(f"the container of {image} does not start"):
        attached = api.attach_socket(container, params=dict.fromkeys(("stdin", "stdout", "stderr", "stream"), 1))
        try:
            api.start(container)
            return socket.socket(fileno=os.dup(attached.fileno()))
        finally:
            attached.close()


def exit_code(container: str) -> "Future[int]":
    """Wait from now on, in a thread, for the container's end: the engine forgets the code together with the container.

    Returns when the engine has heard the question. Asked before the start, it misses nothing.
    """
    code: Future[int] = Future()
    heard = threading.Event()

    def wait() -> None:
        try:
            with contextlib.closing(engine.connect()) as client:
                api = client.api
                # The engine sends its headers when it has begun to wait; `api.wait` returns at the end only.
                url = api._url("/containers/{0}/wait", container)
                answer = api._post(url, params={"condition": "next-exit"}, stream=True, timeout=None)
                answer.raise_for_status()
                heard.set()
                code.set_result(int(answer.json()["StatusCode"]))
        except Exception as error:
            code.set_exception(error)
        finally:
            heard.set()

    threading.Thread(target=wait, daemon=True).start()
    heard.wait(engine.REQUEST_LIMIT_S)
    return code


def ending(exited: "Future[int]") -> str:
    """Return how a container ended, "" if it has not."""
    try:
        code = exited.result(EXIT_LIMIT_S)
    except TimeoutError:
        return ""
    except Exception:  # the engine has nothing to say
        return "ended"
    if code == SIGNALLED + SIGKILL:
        return f"was killed (by SIGKILL; also what happens where {MEMORY_LIMIT} of memory are not enough)"
    return ending_with_code(code)
