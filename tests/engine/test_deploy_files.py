"""The files of deploy/: that they are what they should be, and ask our commands for what these have."""

import importlib
import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml

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
