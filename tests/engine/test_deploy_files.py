"""The files of deploy/: that they are what they should be, and ask our commands for what these have."""

import importlib
import json
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
import typer
import yaml

from trajflow import Session
from trajflow.bench.scale.server import server_program
from trajflow.cli import app
from trajflow.extras import missing

DEPLOY = Path(__file__).parents[2] / "deploy"
SERVE = typer.main.get_command(app).commands["serve"]
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
KUBERNETES = {
    (each["kind"], each["metadata"]["name"]): each
    for each in yaml.safe_load_all((DEPLOY / "rayservice.yaml").read_text())
}


def served(command):
    """What `trajflow serve` is told in a shell's line."""
    [words] = [shlex.split(part) for part in command.split("&&") if "trajflow serve" in part]
    return SERVE.make_context("serve", words[words.index("serve") + 1 :]).params


def test_compose_starts_a_front_two_replicas_and_the_store_they_share():
    services = COMPOSE["services"]
    assert set(services) == {"front", "replica", "store"}
    told = served(services["front"]["command"][-1])
    assert (told["engine"], told["address"], told["replicas"]) == (
        "ray",
        "auto",
        services["replica"]["deploy"]["replicas"],
    )
    assert told["store"] == "valkey://store:6379"
    head, joined = services["front"]["command"][-1], services["replica"]["command"]
    [port] = re.findall(r"--head --port=(\d+)", head)
    assert f"--address=front:{port} " in joined
    assert services["front"]["ports"] == [f"127.0.0.1:{told['port']}:{told['port']}"]
    assert f":{told['port']}/healthz" in services["front"]["healthcheck"]["test"][-1]
    for service in ("front", "replica"):
        assert "RAY_AUTH_TOKEN" in services[service]["environment"]
    # The store holds what the front allows it, and some more for what goes with each document.
    [most] = re.findall(r"--maxmemory (\d+)gb", services["store"]["command"])
    assert told["store_gib"] * 1.1 < int(most)
    assert (DEPLOY / COMPOSE["services"]["front"]["build"]["context"] / "deploy" / "Dockerfile").is_file()


def test_the_image_has_what_the_commands_ask_for():
    lines = (DEPLOY / "Dockerfile").read_text()
    [extras] = re.findall(r'"\.\[(.*)\]"', lines)
    assert {"app", "ray", "store"} <= set(extras.split(","))
    assert "constraints.txt" in lines


def instructions(dockerfile):
    """Its lines as (instruction, the rest), with continued ones joined."""
    lines = dockerfile.read_text().replace("\\\n", " ").splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line.strip() and not line.startswith("#")]


def test_the_image_serves_where_it_says_as_nobody_in_particular():
    told = instructions(DEPLOY / "Dockerfile")
    name, command = told[-1]
    assert name == "CMD"
    words = json.loads(command)
    assert words[:2] == ["trajflow", "serve"]
    asked = SERVE.make_context("serve", words[2:]).params
    assert dict(told)["EXPOSE"] == str(asked["port"])
    assert asked["host"] == "0.0.0.0"
    names = [name for name, _ in told]
    assert dict(told)["USER"] not in ("root", "0")
    assert names.index("USER") < names.index("COPY") < names.index("CMD")


def test_what_the_image_is_built_with_is_not_left_out_of_it():
    """The package is built in the image: from its own files, without the checkout's history."""
    left_out = set((DEPLOY.parent / ".dockerignore").read_text().split())
    assert {".git", ".venv"} <= left_out
    built = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())
    wheel = built["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = [*wheel["packages"], *wheel["force-include"], "README.md", "constraints.txt", "tools"]
    assert not {Path(each).parts[0] for each in needed} & left_out


def images():
    """Every image that a file of ours starts from: (file, image)."""
    for dockerfile in (DEPLOY / "Dockerfile", DEPLOY.parent / "spaces" / "docker" / "Dockerfile"):
        yield from ((dockerfile.name, rest) for name, rest in instructions(dockerfile) if name == "FROM")
    for manifest in ("compose.yaml", "rayservice.yaml"):
        found = re.findall(r"\bimage: (\S+)", (DEPLOY / manifest).read_text())
        yield from ((manifest, image) for image in found if image != "trajflow")


def test_every_image_that_is_not_our_own_has_a_version():
    assert len(list(images())) == 4
    for file, image in images():
        _, _, tag = image.partition(":")
        assert re.match(r"\d+\.\d+", tag), (file, image)
    compose, manifest = (
        {image for name, image in images() if name == file} for file in ("compose.yaml", "rayservice.yaml")
    )
    assert compose == manifest


def test_settings_of_the_environment_are_ones_that_serve_reads():
    read = {param.envvar for param in SERVE.params if param.envvar}
    given = set(re.findall(r"\bTRAJFLOW_\w+", "".join(path.read_text() for path in DEPLOY.glob("*.yaml"))))
    assert given
    assert given <= read


def test_an_account_that_is_left_empty_is_none(monkeypatch):
    """As compose gives it where the variable is not set."""
    assert COMPOSE["services"]["front"]["environment"]["TRAJFLOW_AUTH"] == "${TRAJFLOW_AUTH:-}"
    monkeypatch.setenv("TRAJFLOW_AUTH", "")
    assert SERVE.make_context("serve", []).params["auth"] is None


def test_probes_ask_what_the_app_answers_where_it_listens(mixture):
    pytest.importorskip("gradio", reason="the extra `ui` is not installed")
    from trajflow.ui import Registry
    from trajflow.ui.routes import routes

    answered = {route.path for route in routes(mixture, Registry(lambda: Session(mixture)))}
    [front] = KUBERNETES["Deployment", "trajflow-front"]["spec"]["template"]["spec"]["containers"]
    port = served(front["command"][-1])["port"]
    assert front["ports"] == [{"containerPort": port}]
    assert KUBERNETES["Service", "trajflow"]["spec"]["ports"][0]["targetPort"] == port
    probes = [front[name]["httpGet"] for name in ("readinessProbe", "livenessProbe")]
    assert {probe["port"] for probe in probes} == {port}
    checks = [COMPOSE["services"]["front"]["healthcheck"]["test"][-1]]
    checks += [
        rest for name, rest in instructions(DEPLOY.parent / "spaces" / "docker" / "Dockerfile") if name == "HEALTHCHECK"
    ]
    asked = {probe["path"] for probe in probes} | {re.search(rf":{port}(/\w+)'", check)[1] for check in checks}
    assert asked == {"/healthz", "/readyz"}
    assert asked <= answered


def test_services_find_the_pods_that_are_meant():
    for kind, name in KUBERNETES:
        spec = KUBERNETES[kind, name]["spec"]
        if kind in ("Deployment", "StatefulSet"):
            assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
        if kind == "Service":
            labels = [
                each["spec"]["template"]["metadata"]["labels"]
                for (other, _), each in KUBERNETES.items()
                if other in ("Deployment", "StatefulSet")
            ]
            assert spec["selector"] in labels
    assert KUBERNETES["StatefulSet", "trajflow-store"]["spec"]["serviceName"] == "trajflow-store"
    # KubeRay names the head's service after the RayService.
    [front] = KUBERNETES["Deployment", "trajflow-front"]["spec"]["template"]["spec"]["containers"]
    assert "--address=trajflow-head-svc:6379" in front["command"][-1]


def store_flags():
    """What each file tells the store's server."""
    [container] = KUBERNETES["StatefulSet", "trajflow-store"]["spec"]["template"]["spec"]["containers"]
    return {"compose": shlex.split(COMPOSE["services"]["store"]["command"]), "rayservice": container["args"]}


@pytest.mark.parametrize("file", ["compose", "rayservice"])
def test_the_stores_server_takes_its_flags(file, tmp_path):
    if server_program() is None:
        pytest.skip("neither valkey-server nor redis-server is installed")
    program, *flags = store_flags()[file]
    assert program == "valkey-server"
    # A socket only: nothing of this machine is listened on.
    command = [
        server_program(),
        *flags,
        "--port",
        "0",
        "--unixsocket",
        str(tmp_path / "socket"),
        "--dir",
        str(tmp_path),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        said = []
        for line in process.stdout:
            said.append(line)
            if "eady to accept connections" in line:
                process.terminate()
                break
        assert said, "it said something"
        assert "eady to accept connections" in said[-1], "".join(said)


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.skipif(bool(missing("ray")), reason="the extra `ray` is not installed")
def test_ray_takes_the_flags_that_it_is_started_with():
    from ray.scripts.scripts import start

    [front] = KUBERNETES["Deployment", "trajflow-front"]["spec"]["template"]["spec"]["containers"]
    for command in (
        COMPOSE["services"]["front"]["command"][-1],
        COMPOSE["services"]["replica"]["command"],
        front["command"][-1],
    ):
        [words] = [shlex.split(part) for part in command.split("&&") if "ray start" in part]
        told = start.make_context("ray start", words[2:]).params
        assert bool(told["head"]) != bool(told["address"])


def test_the_manifest_starts_what_the_front_joins():
    service = KUBERNETES["RayService", "trajflow"]["spec"]
    [deployed] = yaml.safe_load(service["serveConfigV2"])["applications"]
    told = served(
        KUBERNETES["Deployment", "trajflow-front"]["spec"]["template"]["spec"]["containers"][0]["command"][-1]
    )
    assert (told["engine"], told["address"], told["replicas"]) == ("ray", "auto", 0)
    [workers] = service["rayClusterConfig"]["workerGroupSpecs"]
    assert deployed["args"]["replicas"] == workers["replicas"] >= workers["minReplicas"]
    [container] = workers["template"]["spec"]["containers"]
    assert float(container["resources"]["limits"]["nvidia.com/gpu"]) == deployed["args"]["gpus"]
    assert deployed["args"]["warm_gib"] < int(container["resources"]["limits"]["memory"].removesuffix("Gi"))
    host, port = re.fullmatch(r"valkey://(.*):(\d+)", deployed["args"]["store"]).groups()
    assert KUBERNETES["Service", host]["spec"]["ports"] == [{"port": int(port)}]
    assert set(deployed["args"]) <= {param.name for param in SERVE.params}
    pins = (DEPLOY.parent / "constraints.txt").read_text().splitlines()
    assert f"ray=={service['rayClusterConfig']['rayVersion']}" in pins


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.skipif(bool(missing("ray")), reason="the extra `ray` is not installed")
def test_the_application_that_the_manifest_names_is_built_with_its_arguments():
    service = KUBERNETES["RayService", "trajflow"]["spec"]
    [deployed] = yaml.safe_load(service["serveConfigV2"])["applications"]
    from trajflow.engine.replicas.serve import APP

    assert deployed["name"] == APP
    module, name = deployed["import_path"].split(":")
    application = getattr(importlib.import_module(module), name)(deployed["args"])
    deployment = application._bound_deployment
    assert deployment.num_replicas == 2
    assert deployment.ray_actor_options == {"num_cpus": 1.0, "num_gpus": 1.0}


def test_the_operator_shows_the_token_that_the_cluster_asks_for():
    """KubeRay reads the secret's key `auth_token`, and asks its workers how they are with wget."""
    cluster = KUBERNETES["RayService", "trajflow"]["spec"]["rayClusterConfig"]
    groups = (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])
    containers = [container for group in groups for container in group["template"]["spec"]["containers"]]
    for container in containers:
        given = {each["name"]: each for each in container["env"]}
        assert given["RAY_AUTH_MODE"]["value"] == cluster["authOptions"]["mode"] == "token"
        secret = given["RAY_AUTH_TOKEN"]["valueFrom"]["secretKeyRef"]
        assert secret == {"name": cluster["authOptions"]["secretName"], "key": "auth_token"}
    assert " wget " in (DEPLOY / "Dockerfile").read_text()
