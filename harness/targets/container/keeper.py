"""The process that keeps a target's containers: ``python -m harness.targets.container.keeper FD``.

It asks the engine for a container, hands out the connection of the agent (or the adapter) in it, and waits. When its
control socket closes, even by ``kill -9`` of the harness, it removes what it has made and ends: also what was created
and never started, which no agent could end. An agent sees the harness go at the same moment, and destroys the sockets
of its namespace, which would keep it for minutes otherwise: it is given the time for that.
"""

import contextlib
import json
import socket
import sys
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from harness.agent.server import MAX_MESSAGE
from harness.targets.container import adapter_engine, confined, engine
from harness.targets.protocol import UnusableTarget

if TYPE_CHECKING:
    import docker

Answer = tuple[dict[str, Any], socket.socket | None]
#: Of adapters, by container.
_exit_codes: "dict[str, Future[int]]" = {}
#: How long an agent may take to end by itself; it needs some milliseconds, and on a busy machine seconds.
LEAVE_S = 15


def main() -> None:
    """Serve the requests of the harness until it is gone, then remove all containers."""
    control = socket.socket(fileno=int(sys.argv[1]))
    made: list[str] = []
    agents: set[str] = set()
    api: docker.APIClient | None = None
    try:
        while message := control.recv(MAX_MESSAGE):
            try:
                api = api or engine.connect().api
                answer, connection = _serve(api, json.loads(message), made, agents)
            except UnusableTarget as error:
                unreachable = isinstance(error, confined.SocketUnreachable)
                answer, connection = {"error": error.message, "hint": error.hint, "unreachable": unreachable}, None
            _reply(control, answer, connection)
    except ConnectionError:
        pass
    finally:
        for container in reversed(made):
            assert api is not None
            with contextlib.suppress(Exception):
                if container in agents:
                    api.wait(container, timeout=LEAVE_S)
            with contextlib.suppress(Exception):
                confined.remove(api, container)


def _serve(api: "docker.APIClient", request: dict[str, Any], made: list[str], agents: set[str]) -> Answer:
    match request["op"]:
        case "agent":
            answer, connection = _start(api, request, made)
            agents.add(made[-1])
            return answer, connection
        case "adapter":
            return _start_adapter(api, request, made)
        case "ending":
            return {"ending": adapter_engine.ending(_exit_codes[request["container"]])}, None
        case "remove":
            confined.remove(api, request["container"])
            made.remove(request["container"])
            _exit_codes.pop(request["container"], None)
    return {}, None


def _start_adapter(api: "docker.APIClient", request: dict[str, Any], made: list[str]) -> Answer:
    _image_id(api, request["image"])
    options = {name: request.get(name) for name in ("command", "beside", "runtime")}
    container = adapter_engine.create(api, request["image"], **options)
    made.append(container)
    _exit_codes[container] = adapter_engine.exit_code(container)
    return {"container": container}, adapter_engine.start(api, request["image"], container)


def _start(api: "docker.APIClient", request: dict[str, Any], made: list[str]) -> Answer:
    image = request["image"]
    image_id = _image_id(api, image)
    if request["attached"]:
        container = confined.create(api, image, None, request["beside"])
        made.append(container)
        connection = confined.start_attached(api, image, container)
    else:
        with confined.meeting_point() as (folder, listener):
            container = confined.create(api, image, folder, request["beside"])
            made.append(container)
            connection = confined.start(api, image, container, listener)
    with engine.translated(f"the container of {image}"):
        pid = api.inspect_container(container)["State"]["Pid"]
        version = api.version(api_version=False)
    answer = {
        "container": container,
        "pid": pid,
        "image": image_id,
        "engine": f"{version['Version']} (API {version['ApiVersion']})",
    }
    return answer, connection


def _image_id(api: "docker.APIClient", image: str) -> str:
    import docker.errors

    with engine.translated(f"the image {image}"):
        try:
            return str(api.inspect_image(image)["Id"])
        except docker.errors.ImageNotFound:
            hint = f"docker pull {image}, or docker load; `tcpspec build linux` makes the image of docker:linux"
            raise UnusableTarget(f"the engine has no image {image}", hint) from None


def _reply(control: socket.socket, answer: dict[str, Any], connection: socket.socket | None) -> None:
    try:
        socket.send_fds(control, [json.dumps(answer).encode()], [connection.fileno()] if connection else [])
    finally:
        if connection is not None:  # else the agent would not see the harness close its end
            connection.close()


if __name__ == "__main__":
    main()
