"""What `deploy/` holds says what the service needs, in words that its readers know."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.loading import load_settings
from config.settings import Settings
from tests.architecture.repository import ROOT

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
API = json.loads((ROOT / "tests/data/kubernetes/api-1.37.json").read_text())["$defs"]
KINDS = {
    "Deployment": "io.k8s.api.apps.v1.Deployment",
    "PodDisruptionBudget": "io.k8s.api.policy.v1.PodDisruptionBudget",
    "Service": "io.k8s.api.core.v1.Service",
}
TYPES: dict[str, type | tuple[type, ...]] = {
    "array": list,
    "boolean": bool,
    "integer": int,
    "null": type(None),
    "number": (int, float),
    "object": dict,
    "string": str,
}
CLOSE_SECONDS = 1.0  # of service.py, after the drain's deadline
DOCKER_UID = "10001"


def settings_of(environment: dict[str, str]) -> Settings:
    """The settings; everything that is wrong with them is raised."""
    return load_settings(None, environment)


STORES = {"DATABASE_URL": "postgresql://host/database", "REDIS_URL": "redis://host"}
SETTINGS = settings_of(STORES)


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


# Kubernetes.


def find_problems(value: object, schema: dict[str, Any], at: str) -> Iterator[str]:
    """What of a value the API would refuse, in strict mode."""
    if "$ref" in schema:
        yield from find_problems(value, API[schema["$ref"].rpartition("/")[2]], at)
        return
    if "oneOf" in schema:
        tries = [list(find_problems(value, each, at)) for each in schema["oneOf"]]
        yield from () if [] in tries else tries[0]
        return
    names = schema.get("type", list(TYPES))
    allowed = [TYPES[name] for name in ([names] if isinstance(names, str) else names)]
    is_number_for_boolean = isinstance(value, bool) and bool not in allowed
    if is_number_for_boolean or not any(isinstance(value, each) for each in allowed):
        yield f"{at}: {value!r} is no {names}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {schema['enum']}"
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from find_problems(each, schema.get("items", {}), f"{at}[{index}]")
    if isinstance(value, dict):
        missing = [name for name in schema.get("required", ()) if name not in value]
        yield from (f"{at}.{name} is missing" for name in missing)
        more = schema.get("additionalProperties", {})
        for name, each in value.items():
            known = schema.get("properties", {}).get(name, more)
            if known is False:
                yield f"{at}.{name} is not known"
            else:
                yield from find_problems(each, known, f"{at}.{name}")


def manifests() -> dict[str, dict[str, Any]]:
    names = read_yaml(KUBERNETES / "kustomization.yaml")["resources"]
    return {each["kind"]: each for each in (read_yaml(KUBERNETES / name) for name in names)}


def test_every_manifest_is_applied() -> None:
    names = read_yaml(KUBERNETES / "kustomization.yaml")["resources"]
    assert sorted(path.name for path in KUBERNETES.glob("*.yaml")) == sorted(
        [*names, "kustomization.yaml"]
    )
    assert set(KINDS) == set(manifests())


@pytest.mark.parametrize("kind", KINDS)
def test_manifests_are_what_the_api_takes(kind: str) -> None:
    assert [] == list(find_problems(manifests()[kind], {"$ref": f"#/$defs/{KINDS[kind]}"}, kind))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"replicas": "1"}, "Deployment.spec.replicas: '1' is no ['integer', 'null']"),
        ({"replica": 1}, "Deployment.spec.replica is not known"),
        ({"strategy": {"type": True}}, "Deployment.spec.strategy.type: True is no"),
    ],
)
def test_the_api_would_refuse_what_is_wrong(change: dict[str, Any], problem: str) -> None:
    deployment = manifests()["Deployment"]
    changed = {**deployment, "spec": {**deployment["spec"], **change}}
    schema = API[KINDS["Deployment"]]
    [found] = find_problems(changed, schema, "Deployment")
    assert found.startswith(problem)


def pod() -> dict[str, Any]:
    template: dict[str, Any] = manifests()["Deployment"]["spec"]["template"]["spec"]
    return template


def test_there_is_one_instance_a_database() -> None:
    spec = manifests()["Deployment"]["spec"]
    assert (1, "Recreate") == (spec["replicas"], spec["strategy"]["type"])
    assert 1 == json.loads((DEPLOY / "railway.json").read_text())["deploy"]["numReplicas"]
    assert "scale" not in compose()["service"]


def test_labels_lead_from_budget_and_service_to_the_pod() -> None:
    kinds = manifests()
    labels = kinds["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert labels == kinds["Deployment"]["spec"]["selector"]["matchLabels"]
    assert labels == kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]
    assert labels == kinds["Service"]["spec"]["selector"]


def test_a_start_is_waited_for_and_liveness_asks_no_store() -> None:
    [container] = pod()["containers"]
    startup = container["startupProbe"]
    assert startup["failureThreshold"] * startup["periodSeconds"] > SETTINGS.start.deadline_seconds
    probes = [container[f"{each}Probe"] for each in ("startup", "liveness", "readiness")]
    paths = [probe["httpGet"]["path"] for probe in probes]
    assert ["/readyz", "/livez", "/readyz"] == paths


def test_nothing_runs_with_rights_in_kubernetes() -> None:
    [container] = pod()["containers"]
    assert {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    } == container["securityContext"]
    assert pod()["securityContext"]["runAsNonRoot"]
    assert not pod()["automountServiceAccountToken"]
    mounted = {each["name"] for each in container["volumeMounts"]}
    assert {each["name"] for each in pod()["volumes"]} == mounted


# Compose.


def compose() -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = read_yaml(DEPLOY / "compose.yaml")["services"]
    return services


@pytest.mark.parametrize("name", ["service", "postgres", "redis"])
def test_nothing_runs_with_rights_in_compose(name: str) -> None:
    service = compose()[name]
    rights = (service["read_only"], service["cap_drop"], service["security_opt"])
    assert (True, ["ALL"], ["no-new-privileges:true"]) == rights
    assert "0" != service["user"].split(":")[0]
    assert service["healthcheck"]["test"]


def test_the_service_waits_for_healthy_stores_and_they_outlive_it() -> None:
    waits = compose()["service"]["depends_on"]
    conditions = {name: each["condition"] for name, each in waits.items()}
    assert {"postgres": "service_healthy", "redis": "service_healthy"} == conditions
    grace = {name: float(each["stop_grace_period"].rstrip("s")) for name, each in compose().items()}
    assert min(grace, key=lambda name: grace[name]) == "service"


def test_redis_keeps_what_postgres_does_not_have() -> None:
    words = compose()["redis"]["command"]
    told = dict(zip(words[1::2], words[2::2], strict=True))
    assert ("yes", "noeviction") == (told["--appendonly"], told["--maxmemory-policy"])


def test_image_and_deployments_agree_on_user_and_directories() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert f"USER {DOCKER_UID}:{DOCKER_UID}" in dockerfile
    assert f"{DOCKER_UID}:{DOCKER_UID}" == compose()["service"]["user"]
    assert int(DOCKER_UID) == pod()["securityContext"]["runAsUser"]
    [pictures] = re.findall(r"IMAGES__DIRECTORY=(\S+)", dockerfile)
    assert [f"pictures:{pictures}"] == compose()["service"]["volumes"]
    assert pictures in {each["mountPath"] for each in pod()["containers"][0]["volumeMounts"]}


@pytest.mark.parametrize("name", ["service.env.example", "postgres.env.example"])
def test_examples_hold_no_secret_and_the_filled_in_ones_are_ignored(name: str) -> None:
    text = (DEPLOY / name).read_text()
    for line in text.splitlines():
        if re.search("PASSWORD=|TOKEN=|KEY=|//[^/]*@", line) and not line.startswith("#"):
            assert "CHANGE-ME" in line
    assert "deploy/*.env" in (ROOT / ".gitignore").read_text().splitlines()


def read_environment(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_every_variable_of_the_deployments_is_a_setting() -> None:
    environment = read_environment((DEPLOY / "service.env.example").read_text())
    environment |= compose()["service"]["environment"]
    environment |= {each["name"]: each["value"] for each in pod()["containers"][0]["env"]}
    unit = (DEPLOY / "token-discovery.service").read_text()
    lines = re.findall(r"^Environment=(.*)$", unit, re.M)
    environment |= dict(line.split("=", 1) for line in lines)
    for path in ("supervisord.conf", "s6/token-discovery/run"):
        assignments = re.findall(r'(TOKEN_DISCOVERY__\w+)="?([^"\s]+)', (DEPLOY / path).read_text())
        environment |= dict(assignments)
    assert environment["DATABASE_URL"] == settings_of(environment).postgres.url


# The time that a drain may take.


def graces() -> dict[str, float]:
    """Seconds from SIGTERM to SIGKILL."""
    unit = (DEPLOY / "token-discovery.service").read_text()
    supervisord = (DEPLOY / "supervisord.conf").read_text()
    return {
        "compose": float(compose()["service"]["stop_grace_period"].rstrip("s")),
        "kubernetes": pod()["terminationGracePeriodSeconds"],
        "railway": json.loads((DEPLOY / "railway.json").read_text())["deploy"]["drainingSeconds"],
        "s6": int((DEPLOY / "s6/token-discovery/timeout-kill").read_text()) / 1000,
        "supervisord": float(re.findall(r"^stopwaitsecs=(\d+)$", supervisord, re.M)[0]),
        "systemd": float(re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.M)[0]),
    }


@pytest.mark.parametrize("where", graces())
def test_a_drain_is_never_cut_off(where: str) -> None:
    assert graces()[where] > SETTINGS.shutdown.deadline_seconds + CLOSE_SECONDS


# A process that hangs.


def test_a_stall_is_ended_wherever_there_is_no_watchdog() -> None:
    name = "TOKEN_DISCOVERY__SUPERVISION__STALL_LIMIT_SECONDS"
    limits = [compose()["service"]["environment"][name]]
    for path in ("supervisord.conf", "s6/token-discovery/run"):
        limits += re.findall(rf'{name}="?([\d.]+)', (DEPLOY / path).read_text())
    assert 3 == len(limits)
    assert all(float(limit) >= 30 for limit in limits)  # systemd's watchdog waits as long
    [container] = pod()["containers"]
    probe = container["livenessProbe"]
    assert probe["timeoutSeconds"] * probe["failureThreshold"] <= 30


# systemd, Railway.


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = (DEPLOY / "token-discovery.service").read_text()
    here = tmp_path / "token-discovery.service"
    here.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit, flags=re.M))
    verify = ["systemd-analyze", "verify", str(here)]
    checked = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (0, "") == (checked.returncode, checked.stdout + checked.stderr)


def test_the_unit_uses_readiness_watchdog_and_the_exit_code_of_bad_settings() -> None:
    unit = (DEPLOY / "token-discovery.service").read_text()
    options = dict(re.findall(r"^(\w+)=(.*)$", unit, re.M))
    wanted = {"Type": "notify", "Restart": "on-failure", "RestartPreventExitStatus": "78"}
    assert wanted == {name: options[name] for name in wanted}
    assert float(options["WatchdogSec"]) > 0
    assert float(options["TimeoutStartSec"]) > SETTINGS.start.deadline_seconds


def test_railway_gets_numbers_for_its_seconds() -> None:
    """It refuses `"10"`, though its reference shows that."""
    deploy = json.loads((DEPLOY / "railway.json").read_text())["deploy"]
    seconds = [deploy[name] for name in ("overlapSeconds", "drainingSeconds", "healthcheckTimeout")]
    assert [int, int, int] == [type(each) for each in seconds]
    assert ("/readyz", "ON_FAILURE") == (deploy["healthcheckPath"], deploy["restartPolicyType"])
    assert deploy["healthcheckTimeout"] > SETTINGS.start.deadline_seconds
