"""The files that docs/deploying.md is about fit together, and fit the program."""

import configparser
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import click
import pytest
import yaml

from jsonrpc_qm.cli.main import cli
from tests.docs.markdown import ROOT, read
from tests.docs.test_command_line import options, variable

DEPLOY = ROOT / "deploy"
DOCUMENT = read(ROOT / "docs" / "deploying.md")
STORAGES = read(ROOT / "docs" / "storages.md")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE = ROOT / "compose.yaml"
OVERLAYS = sorted((DEPLOY / "compose").iterdir())
MANIFESTS = [
    manifest
    for path in sorted((DEPLOY / "kubernetes").iterdir())
    for manifest in yaml.safe_load_all(path.read_text())
]
PORT = cli.commands["serve"].make_context("serve", []).params["port"]
STOP_SECONDS = 10.0
"""What a worker takes beyond its --grace."""


def parsed(args: list[str]) -> tuple[click.Command, dict[str, Any]]:
    """A command and its parameters, or an error of click's."""
    command = cli.commands[args[0]]
    return command, command.make_context(args[0], args[1:]).params


def variables(command: click.Command) -> set[str]:
    """The environment variables that a command takes."""
    return {variable(command, option) for option in options(command).values()}


# -- the image ------------------------------------------------------------------------------


def test_the_image_is_made_of_what_is_there() -> None:
    """Files that it copies, and extras that it installs: all that there are for users."""
    [copied] = re.findall(r"^COPY (pyproject.+) \./$", DOCKERFILE, re.MULTILINE)
    assert all((ROOT / name).is_file() for name in copied.split())
    [extras] = re.findall(r'"\.\[(.+)\]"', DOCKERFILE)
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert {*extras.split(","), "unit", "test", "dev"} == set(setup["options.extras_require"])


def test_the_image_runs_a_manager() -> None:
    """With variables that there are, on the port that it names, as a user that is not root."""
    command, _ = parsed(_instruction("CMD"))
    said = set(re.findall(r"(JSONRPC_QM_\w+)=", DOCKERFILE))
    assert said
    assert said <= variables(command)
    assert re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.MULTILINE) == [str(PORT)]
    assert re.findall(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE) == ["10001"]
    assert _instruction("ENTRYPOINT") == ["jsonrpc-qm"]


@pytest.fixture
def health(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a server that answers /health with the status of the parameter."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(request.param if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nowhere."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("health", "code"), [(200, 0), (503, 1)], indirect=["health"])
def test_the_health_check_sees_whether_a_manager_is_well(health: int, code: int) -> None:
    """It runs as it stands there, but for the port."""
    _, *args = _instruction("    CMD")
    assert args[-1].count(f":{PORT}/") == 1
    args[-1] = args[-1].replace(f":{PORT}/", f":{health}/")
    done = subprocess.run([sys.executable, *args], capture_output=True, check=False, timeout=20)
    assert done.returncode == code


def _instruction(name: str) -> list[str]:
    """The last of a kind in the Dockerfile."""
    found: list[str] = json.loads(re.findall(rf"^{name} (\[.+\])$", DOCKERFILE, re.MULTILINE)[-1])
    return found


# -- Compose --------------------------------------------------------------------------------


def merged(base: Any, more: Any) -> Any:
    """Two Compose files in one: maps are merged, other values replaced."""
    if isinstance(base, dict) and isinstance(more, dict):
        return base | {name: merged(base.get(name), value) for name, value in more.items()}
    return more


@pytest.fixture(params=[None, *OVERLAYS], ids=lambda path: path.stem if path else "sqlite")
def compose(request: pytest.FixtureRequest) -> dict[str, Any]:
    """compose.yaml, alone and with each storage's file."""
    base: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    path: Path | None = request.param
    made: dict[str, Any] = merged(base, yaml.safe_load(path.read_text())) if path else base
    return made


def test_services_belong_together(compose: dict[str, Any]) -> None:
    """They depend on what is there and says when it is ready, and their volumes are there."""
    services = compose["services"]
    assert {"manager", "worker"} <= set(services)
    for service in services.values():
        for needed, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert "healthcheck" in services[needed]
        sources = [volume.partition(":")[0] for volume in service.get("volumes", ())]
        for source in sources:
            assert (ROOT / source).exists() if source[0] == "." else source in compose["volumes"]
    for build in [service["build"] for service in services.values() if "build" in service]:
        assert (ROOT / build["context"] / build["dockerfile"]).is_file()


def test_services_run_commands_that_are_there(compose: dict[str, Any]) -> None:
    """With options and variables that they have, and with time for what they may take to end."""
    for name in ("manager", "worker"):
        service = compose["services"][name]
        command, params = parsed(service["command"])
        assert set(service["environment"]) <= variables(command)
        seconds = float(service["stop_grace_period"].removesuffix("s"))
        assert seconds >= params.get("grace", 0) + STOP_SECONDS


def test_services_find_each_other(compose: dict[str, Any]) -> None:
    """The worker its manager, the manager its database or the file in its volume."""
    services = compose["services"]
    assert services["worker"]["environment"]["JSONRPC_QM_URL"] == f"http://manager:{PORT}"
    assert services["worker"]["healthcheck"] == {"disable": True}
    storage = services["manager"]["environment"]["JSONRPC_QM_STORAGE"]
    assert f"`{storage.partition(':')[0]}://" in STORAGES.under("Which one")
    host = re.search(r"(?:@|//)(\w+)/", re.sub(r"\$\{.+?\}", "", storage))
    if "database" in services:
        assert host is not None
        assert host[1] == "database"
    else:
        [folder] = [volume.partition(":")[2] for volume in services["manager"]["volumes"]]
        assert storage.startswith(f"sqlite:///{folder}/")
        assert storage in DOCKERFILE


def test_every_storage_has_its_row_in_the_document() -> None:
    """A link to each file."""
    links = {link for link in DOCUMENT.links() if "compose/" in link}
    assert links == {f"../deploy/compose/{path.name}" for path in OVERLAYS}


# -- Kubernetes -----------------------------------------------------------------------------


def manifest(kind: str, name: str) -> dict[str, Any]:
    """The one of a kind with a name."""
    [found] = [m for m in MANIFESTS if (m["kind"], m["metadata"]["name"]) == (kind, name)]
    return dict(found)


MANAGERS = manifest("Deployment", "jsonrpc-qm")
WORKERS = manifest("Deployment", "jsonrpc-qm-workers")


@pytest.mark.parametrize("deployment", [MANAGERS, WORKERS], ids=["managers", "workers"])
def test_pods_run_commands_that_are_there(deployment: dict[str, Any]) -> None:
    """With options and variables that they have, and with time for what they may take to end."""
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    command, params = parsed(container["args"])
    assert {setting["name"] for setting in container["env"]} <= variables(command)
    assert pod["terminationGracePeriodSeconds"] >= params.get("grace", 0) + STOP_SECONDS
    # Else the Service's name makes variables that begin as settings do.
    assert pod["enableServiceLinks"] is False


@pytest.mark.parametrize("deployment", [MANAGERS, WORKERS], ids=["managers", "workers"])
def test_pods_are_restricted(deployment: dict[str, Any]) -> None:
    """As the Pod Security Standard of that name demands, and the user is the image's."""
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert f"\nUSER {pod['securityContext']['runAsUser']}\n" in DOCKERFILE
    [container] = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_labels_lead_to_the_pods() -> None:
    """Of managers and workers alone, for what selects them."""
    service = manifest("Service", "jsonrpc-qm")
    budget = manifest("PodDisruptionBudget", "jsonrpc-qm")
    of_managers, of_workers = (
        deployment["spec"]["template"]["metadata"]["labels"] for deployment in (MANAGERS, WORKERS)
    )
    assert of_managers != of_workers
    assert service["spec"]["selector"] == of_managers
    assert budget["spec"]["selector"]["matchLabels"] == of_managers
    assert budget["spec"]["minAvailable"] < MANAGERS["spec"]["replicas"]
    for deployment, labels in ((MANAGERS, of_managers), (WORKERS, of_workers)):
        assert deployment["spec"]["selector"]["matchLabels"] == labels


def test_ports_and_probes_are_those_of_a_manager() -> None:
    """The port that it listens on, reached by its name, and the paths that the document names."""
    [container] = MANAGERS["spec"]["template"]["spec"]["containers"]
    [port] = container["ports"]
    assert port == {"name": "rpc", "containerPort": PORT}
    [served] = manifest("Service", "jsonrpc-qm")["spec"]["ports"]
    assert (served["port"], served["targetPort"]) == (PORT, "rpc")
    probes = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("liveness", "readiness")}
    for kind, path in (("liveness", "/health"), ("readiness", "/ready")):
        assert probes[kind] == {"path": path, "port": "rpc"}
        assert f"| {kind} | `{path}`:" in DOCUMENT.text
    assert container["startupProbe"]["httpGet"] == probes["liveness"]


def test_pods_find_each_other() -> None:
    """The workers the Service, the managers the Secret."""
    [worker] = WORKERS["spec"]["template"]["spec"]["containers"]
    url, token = worker["env"]
    assert url == {"name": "JSONRPC_QM_URL", "value": f"http://jsonrpc-qm:{PORT}"}
    [manager] = MANAGERS["spec"]["template"]["spec"]["containers"]
    storage, tokens = manager["env"]
    reference = storage["valueFrom"]["secretKeyRef"]
    secret = manifest("Secret", reference["name"])
    assert token["valueFrom"]["secretKeyRef"]["name"] == reference["name"]
    assert token["valueFrom"]["secretKeyRef"]["key"] in secret["stringData"]
    [volume] = MANAGERS["spec"]["template"]["spec"]["volumes"]
    [mounted] = manager["volumeMounts"]
    [item] = volume["secret"]["items"]
    assert (mounted["name"], volume["secret"]["secretName"]) == (volume["name"], reference["name"])
    assert tokens["value"] == f"{mounted['mountPath']}/{item['path']}"
    assert tomllib.loads(secret["stringData"][item["key"]])["tokens"]
    assert secret["stringData"][reference["key"]].startswith("postgresql://")
