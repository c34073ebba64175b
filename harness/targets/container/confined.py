"""A confined container whose only process is the agent; made and removed by the keeper's process."""

import contextlib
import os
import select
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.targets.container import agent_program
from harness.targets.container.engine import REQUEST_LIMIT_S, translated
from harness.targets.container.ownership import OWNER_LABEL, owner
from harness.targets.protocol import UnusableTarget

if TYPE_CHECKING:
    import docker

#: Where the folder with the control socket appears in the container.
MOUNT = "/run/tcpspec"
SOCKET_NAME = "agent"
#: From the start of a container to its agent's first word: half a second, on a busy machine some more.
AGENT_LIMIT_S = 30.0
STREAM_HEADER = 8

#: Every container of ours: nothing allowed, nothing writable, nothing left when it ends.
CONFINED: dict[str, Any] = {
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "read_only": True,
    "auto_remove": True,
    "mem_limit": "256m",
    "pids_limit": 64,
    "log_config": {"Type": "none", "Config": {}},
}
UNPRIVILEGED = "65534:65534"
TUN = "/dev/net/tun"
#: The sidecar administers the network namespace that it shares: a device, addresses, sysctls. It needs no more.
SIDECAR: dict[str, Any] = {"cap_add": ["NET_ADMIN"], "devices": [TUN]}
ROOT = "0:0"
#: What an engine makes read-only by default, but for /proc/sys. The SDK has no name for this yet.
READ_ONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sysrq-trigger"]


#: What an agent says last that finds no socket where the folder should be, or may not connect to it.
NO_CONNECTION = ("FileNotFoundError", "ConnectionRefusedError", "PermissionError")


class SocketUnreachable(UnusableTarget):
    """The engine runs where this machine's files are not, or forbids the container to connect to its socket."""


def create(api: "docker.APIClient", image: str, folder: Path | None, beside: str | None = None) -> str:
    """Create a container with an agent, not started yet, and return its id; raises UnusableTarget.

    It has no network, or that of the container `beside`, which it may then administer. The agent connects to the socket
    in `folder`; without one, it works over its standard input and output.
    """
    from docker.types import Mount

    mounts = [Mount(MOUNT, str(folder), "bind", read_only=True)] if folder else []
    if beside is None:
        user, modules = UNPRIVILEGED, agent_program.TARGET
        config = api.create_host_config(network_mode="none", mounts=mounts, **CONFINED)
    else:
        user, modules = ROOT, agent_program.SIDECAR
        config = api.create_host_config(network_mode=f"container:{beside}", mounts=mounts, **CONFINED, **SIDECAR)
        config["ReadonlyPaths"] = READ_ONLY_PATHS
    if folder is None:
        python, *arguments = agent_program.command(agent_program.ATTACHED)
    else:
        python, *arguments = agent_program.command(modules, f"{MOUNT}/{SOCKET_NAME}")
    with translated(f"no container of {image} can be made"), _files_seen():
        made = api.create_container(
            image,
            entrypoint=[python],
            command=arguments,
            stdin_open=folder is None,
            user=user,
            working_dir="/",
            labels={OWNER_LABEL: owner()},
            healthcheck={"test": ["NONE"]},
            host_config=config,
        )
    return str(made["Id"])


@contextlib.contextmanager
def _files_seen() -> Iterator[None]:
    import docker.errors

    try:
        yield
    except docker.errors.APIError as error:
        if "bind source path does not exist" not in str(error.explanation):
            raise
        raise SocketUnreachable("the engine does not see this machine's files") from None


def start(api: "docker.APIClient", image: str, container: str, listener: socket.socket) -> socket.socket:
    """Start the container and return the connection of its agent; raises UnusableTarget."""
    with _started(api, image, container, ("stdout", "stderr")) as output:
        return _first_word(image, listener, output)


def start_attached(api: "docker.APIClient", image: str, container: str) -> socket.socket:
    """Start the container and return its streams, in the engine's framing; raises UnusableTarget."""
    with _started(api, image, container, ("stdin", "stdout", "stderr")) as streams:
        return streams.dup()


@contextlib.contextmanager
def _started(api: "docker.APIClient", image: str, container: str, streams: tuple[str, ...]) -> Iterator[socket.socket]:
    with translated(f"the container of {image} does not start"):
        attached = api.attach_socket(container, params=dict.fromkeys((*streams, "stream"), 1))
        try:
            api.start(container)
        except Exception as error:
            attached.close()
            raise _without_python(image, error) or error from None
    try:
        yield attached._sock
    finally:
        attached.close()


def _without_python(image: str, error: Exception) -> UnusableTarget | None:
    text = str(getattr(error, "explanation", "") or error)
    if "executable file not found" not in text and "no such file or directory" not in text:
        return None
    return UnusableTarget(
        f"the image {image} has no python3",
        "an image under test needs Python 3.9 or newer and ss (iproute2); a stack of its own needs an adapter instead",
    )


def _first_word(image: str, listener: socket.socket, output: socket.socket) -> socket.socket:
    deadline = time.monotonic() + AGENT_LIMIT_S
    said = b""
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([listener, output], [], [], left)
        if listener in ready:
            return listener.accept()[0]
        if ready:
            chunk = output.recv(65536)
            if not chunk:
                raise _ended(image, said)
            said += chunk
    raise UnusableTarget(f"the agent in the container of {image} said nothing within {AGENT_LIMIT_S:g} s")


def _ended(image: str, said: bytes) -> UnusableTarget:
    """Say what the agent left on standard error; the stream of both outputs comes in pieces with a header each."""
    text = b""
    while len(said) >= STREAM_HEADER:
        end = STREAM_HEADER + int.from_bytes(said[4:STREAM_HEADER], "big")
        text, said = text + said[STREAM_HEADER:end], said[end:]
    lines = text.decode(errors="replace").strip().splitlines()
    if lines and lines[-1].startswith(NO_CONNECTION):
        return SocketUnreachable(f"the container can't connect to this machine's socket: {lines[-1]}")
    return UnusableTarget(
        f"the agent in the container of {image} ended at once: {lines[-1] if lines else 'without a word'}",
        "it needs Python 3.9 or newer",
    )


def remove(api: "docker.APIClient", container: str) -> None:
    """Kill and remove the container with its volumes, and return when it is gone; its being gone already is fine."""
    import docker.errors

    with contextlib.suppress(docker.errors.NotFound):
        try:
            api.remove_container(container, force=True, v=True)
        except docker.errors.APIError as error:
            if error.status_code != 409:  # the removal is under way already
                raise
            api.wait(container, timeout=REQUEST_LIMIT_S, condition="removed")


@contextlib.contextmanager
def meeting_point() -> Iterator[tuple[Path, socket.socket]]:
    """Give a folder for the container and the socket listening in it; both are gone behind the context.

    Anybody may connect, for the container's user is nobody here; but nobody else gets into the folder around it.
    """
    outer = Path(_made_folder())
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            yield _listen(outer, listener), listener
    finally:
        shutil.rmtree(outer, ignore_errors=True)


def _made_folder() -> str:
    try:
        return tempfile.mkdtemp(prefix="tcpspec-")
    except OSError as error:
        hint = "free some space, or set TMPDIR"
        raise UnusableTarget(f"no temporary folder can be made: {error.strerror}", hint) from None


def _listen(outer: Path, listener: socket.socket) -> Path:
    folder = outer / "run"
    folder.mkdir()
    folder.chmod(0o755)
    # A Unix socket's name has at most 107 octets, and TMPDIR may be long.
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        listener.bind(f"/proc/self/fd/{handle}/{SOCKET_NAME}")
    finally:
        os.close(handle)
    (folder / SOCKET_NAME).chmod(0o666)
    listener.listen(1)
    return folder
