"""deploy/kubernetes: what the manifests say of the gateway is so; what kustomize makes of them hangs together; what the pods run, runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from itertools import chain
from pathlib import Path

import pytest
import yaml

from gateway.settings import load
from tests.support.deploy_files import DEPLOY, ROOT, check_settings, dockerfile, image_environment, yaml_documents
from tests.support.elsewhere import SERVE, bare_environment
from tests.support.fleet import figure, get
from tests.support.redis_server import free_port
from tests.support.scripted_origin import answer, ok

FOLDER = DEPLOY / "kubernetes"
KUSTOMIZATION = yaml_documents(FOLDER / "kustomization.yaml")[0]
OBJECTS = list(chain.from_iterable(yaml_documents(FOLDER / name) for name in KUSTOMIZATION["resources"]))
GATEWAY = next(
    each["spec"]["template"]["spec"] for each in OBJECTS if (each["kind"], each["metadata"]["name"]) == ("Deployment", "weft")
)
CONTAINER = GATEWAY["containers"][0]
REDIS = next(
    each["spec"]["template"]["spec"]
    for each in OBJECTS
    if each["metadata"]["name"] == "weft-redis" and each["kind"] == "Deployment"
)
PODS = [GATEWAY, REDIS]


def octets(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi|mb)?", text).groups()
    return int(number) * {"Mi": 2**20, "mb": 2**20, "Gi": 2**30, None: 1}[unit]


@pytest.fixture
def secrets(tmp_path) -> Path:
    """The Secret's files, as the volume has them."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "purge-tokens").write_text("a-purge-token-0123456789\n")
    (folder / "redis-password").write_text("a-password-of-redis-0123")
    return folder


@pytest.fixture
def environment(secrets) -> dict[str, str]:
    """The container's, with the mounts where they are here."""
    env = {each["name"]: each["value"] for each in CONTAINER["env"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    here = {mounts["settings"]: str(FOLDER), mounts["secrets"]: str(secrets)}
    for name, value in env.items():
        for there, folder in here.items():
            if value.startswith(f"{there}/"):
                env[name] = folder + value.removeprefix(there)
    return image_environment() | env


@pytest.fixture
def settings(environment):
    return load(Path(environment.pop("WEFT_CONFIG")), environment)


# ── What the manifests say ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_all_files_are_named():
    named = {*KUSTOMIZATION["resources"], *chain.from_iterable(each["files"] for each in KUSTOMIZATION["configMapGenerator"])}
    assert named | {"kustomization.yaml"} == {file.name for file in FOLDER.iterdir() if file.is_file()}


def test_the_gateway_would_start_with_what_a_pod_gets_and_there_is_no_advice(environment):
    done = check_settings(environment, "--strict")
    assert done.returncode == 0, done.stdout + done.stderr


def test_kubernetes_waits_for_as_long_as_a_gateway_drains(settings):
    server = settings.server
    assert server.drain_delay >= 5  # what a change of addresses takes to reach every node
    assert GATEWAY["terminationGracePeriodSeconds"] >= server.drain_delay + server.drain_timeout + 5


def test_there_is_memory_for_what_the_cache_may_hold(settings):
    """docs/operations.md#sizes"""
    limit = octets(CONTAINER["resources"]["limits"]["memory"])
    assert limit >= 1.15 * settings.cache.memory.max_bytes + 192 * 2**20
    assert 1.12 * settings.cache.memory.max_bytes + 64 * 2**20 < settings.server.max_rss < limit
    assert "cpu" not in CONTAINER["resources"]["limits"]


def test_redis_has_memory_beside_what_it_may_hold():
    (container,) = REDIS["containers"]
    (maximum,) = re.findall(r"maxmemory (\S+)", container["args"][0])
    assert octets(container["resources"]["limits"]["memory"]) >= 1.5 * octets(maximum)


@pytest.mark.parametrize("kind", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_a_probe_asks_what_answers(kind, gateway):
    probe = CONTAINER[kind]["httpGet"]
    assert probe["port"] == CONTAINER["ports"][0]["name"]
    assert probe["path"] == f"/_weft/health/{'live' if kind == 'livenessProbe' else 'ready'}"
    assert get(gateway, probe["path"]).status == 200


def test_liveness_is_more_patient_than_the_gateway_with_its_workers():
    probe = CONTAINER["livenessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 30


def test_ports_and_names_agree(settings):
    ports = {pod["containers"][0]["ports"][0]["name"]: pod["containers"][0]["ports"][0]["containerPort"] for pod in PODS}
    assert ports == {"http": settings.server.port, "redis": 6379}
    services = {each["metadata"]["name"]: each["spec"] for each in OBJECTS if each["kind"] == "Service"}
    assert services["weft"]["ports"][0]["targetPort"] == "http"
    assert settings.redis.url == f"redis://weft-redis:{services['weft-redis']['ports'][0]['port']}"


def test_the_origin_may_be_reached(settings):
    (policy,) = [each for each in OBJECTS if each["kind"] == "NetworkPolicy" and each["metadata"]["name"] == "weft"]
    reached = [
        (peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"], port["port"])
        for rule in policy["spec"]["egress"]
        for peer in rule["to"]
        if "podSelector" in peer
        for port in rule["ports"]
    ]
    host, _, port = settings.upstream.url.removeprefix("http://").partition(":")
    assert reached == [("weft-redis", 6379), (host, int(port))]


def test_everything_that_selects_pods_selects_pods_that_there_are():
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in OBJECTS if each["kind"] == "Deployment"]
    for each in [*OBJECTS, *yaml_documents(FOLDER / "monitoring/podmonitor.yaml")]:
        spec = each["spec"]
        selector = spec.get("podSelector", spec.get("selector", {}))
        wanted = selector.get("matchLabels", selector)
        assert wanted in labels or each["kind"] == "HorizontalPodAutoscaler"
    (scaler,) = [each for each in OBJECTS if each["kind"] == "HorizontalPodAutoscaler"]
    (scaled,) = [each for each in OBJECTS if each["kind"] == "Deployment" and each["metadata"]["name"] == "weft"]
    assert scaler["spec"]["scaleTargetRef"] == {"apiVersion": scaled["apiVersion"], "kind": "Deployment", "name": "weft"}
    assert "replicas" not in scaled["spec"]


@pytest.mark.parametrize("pod", PODS, ids=["weft", "redis"])
def test_a_pod_may_write_nothing_and_has_no_rights(pod):
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod["automountServiceAccountToken"]
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all(mount.get("readOnly") for mount in container["volumeMounts"] if mount["name"] != "scratch")


def test_a_pod_runs_as_the_images_user():
    (user,) = [words for instruction, words in dockerfile() if instruction == "USER"]
    context = GATEWAY["securityContext"]
    assert user == f"{context['runAsUser']}:{context['runAsGroup']}"


def test_the_image_is_this_version():
    (image,) = KUSTOMIZATION["images"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert image["newTag"] == project["version"]
    assert image["name"] == CONTAINER["image"]


def test_kubernetes_own_variables_would_keep_a_gateway_from_starting_and_are_switched_off(environment):
    """For a Service named weft it sets WEFT_PORT and the like; settings that nobody knows are faults, and rightly so."""
    done = check_settings(environment | {"WEFT_PORT": "tcp://10.1.2.3:80", "WEFT_SERVICE_HOST": "10.1.2.3"})
    assert done.returncode == 1
    assert "WEFT_PORT" in done.stderr
    assert not GATEWAY["enableServiceLinks"]


# ── What kustomize makes of them ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def rendered():
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run(["kubectl", "kustomize", FOLDER], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def test_other_settings_are_another_deployment(rendered):
    (settings,) = [each for each in rendered if each["kind"] == "ConfigMap"]
    assert re.fullmatch(r"weft-[a-z0-9]{10}", settings["metadata"]["name"])
    assert settings["data"]["weft.toml"] == (FOLDER / "weft.toml").read_text("utf-8")
    (weft,) = [each for each in rendered if each["kind"] == "Deployment" and each["metadata"]["name"] == "weft"]
    (volume,) = [each for each in weft["spec"]["template"]["spec"]["volumes"] if each["name"] == "settings"]
    assert volume["configMap"]["name"] == settings["metadata"]["name"]


def test_what_is_rendered_is_all_there_is(rendered):
    def names(objects):
        return sorted((each["kind"], each["metadata"]["name"]) for each in objects if each["kind"] != "ConfigMap")

    assert names(rendered) == names(OBJECTS)


# ── What the pods run ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def redis_of_the_pod(secrets, tmp_path):
    """The port of a Redis that was started by the manifest's own words."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    (container,) = REDIS["containers"]
    (script,) = container["args"]
    (mount,) = [each["mountPath"] for each in container["volumeMounts"] if each["name"] == "secrets"]
    port = free_port()
    here = (
        script.replace(mount, str(secrets))
        .replace("port 6379", f"port {port}\nbind 127.0.0.1")
        .replace("dir /tmp", f"dir {tmp_path}")
    )
    with (tmp_path / "redis.log").open("wb") as log:
        process = subprocess.Popen([*container["command"], here], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield port
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
        assert arguments[0].startswith(b"redis-server"), "the shell has made way"
        assert not [each for each in arguments if b"a-password" in each]
    finally:
        process.terminate()
        process.wait(20)


def test_a_pod_serves_and_finds_its_redis(redis_of_the_pod, environment, origin, start_elsewhere, path):
    origin.script(path, answer(ok(b"hello", b"Cache-Control: max-age=60")))
    here = {
        "WEFT_UPSTREAM__URL": origin.url,
        "WEFT_UPSTREAM__HEALTH__PATH": "",
        "WEFT_REDIS__URL": f"redis://127.0.0.1:{redis_of_the_pod}",
        "WEFT_REDIS__TIMEOUT": "2",
        "WEFT_REDIS__CONNECT_TIMEOUT": "2",
        "WEFT_METRICS__ALLOW": "127.0.0.0/8",
        "WEFT_PROXY__TRUSTED_PROXIES": "",
        "WEFT_SERVER__PORT": "0",
        "WEFT_SERVER__HOST": "127.0.0.1",
    }
    ours = {name: value for name, value in environment.items() if name.startswith("WEFT_")}
    gateway = start_elsewhere(SERVE, bare_environment(**(ours | here)))
    assert get(gateway, CONTAINER["readinessProbe"]["httpGet"]["path"]).status == 200
    gateway.until(lambda: figure(gateway, "weft_bus_live") == 1, "hears purges of others")
    assert get(gateway, path).body == b"hello"
    gateway.until(lambda: figure(gateway, "weft_level2_written_total") >= 1, "Redis has it")
