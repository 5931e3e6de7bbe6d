"""Kubernetes manifests against the schemas of Kubernetes itself; unknown fields are errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "deployments/kubernetes"
VERSIONS = ("1.31", "1.34")
FILES = sorted(FOLDER.rglob("*.yaml"))


def documents(*files: Path) -> Iterator[dict[str, Any]]:
    """Return every object in the files."""
    for file in files:
        yield from yaml.safe_load_all(file.read_text())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("file", FILES, ids=lambda p: p.name)
def test_manifests_are_valid(file: Path, version: str) -> None:
    """Each object is as its kind's schema says, in old and new releases."""
    for manifest in documents(file):
        kubernetes_validate.validate(manifest, version, strict=True)


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Return names and specifications of pods."""
    for manifest in documents(*FILES):
        if "template" in manifest.get("spec", {}):
            yield manifest["metadata"]["name"], manifest["spec"]["template"]["spec"]


def test_what_manifests_refer_to_is_there() -> None:
    """Secrets with their keys, service accounts and volumes that are named exist in the set."""
    everything = list(documents(*FILES))
    secrets = {
        d["metadata"]["name"]: set(d["stringData"]) for d in everything if d["kind"] == "Secret"
    }
    accounts = {d["metadata"]["name"] for d in everything if d["kind"] == "ServiceAccount"}
    for name, pod in pods():
        assert pod.get("serviceAccountName") in {None, *accounts}, name
        for container in pod["containers"]:
            for variable in container.get("env", ()):
                if "valueFrom" in variable:
                    key = variable["valueFrom"]["secretKeyRef"]
                    assert key["key"] in secrets[key["name"]], name
            for source in container.get("envFrom", ()):
                assert source["secretRef"]["name"] in secrets, name
            volumes = {v["name"] for v in pod.get("volumes", ())} | {"data"}
            assert {m["name"] for m in container["volumeMounts"]} <= volumes, name


def test_pods_are_confined() -> None:
    """No pod is root or may become it; what is ours has a root file system to read only."""
    for name, pod in pods():
        assert pod["securityContext"]["runAsNonRoot"], name
        for container in pod["containers"]:
            assert not container["securityContext"]["allowPrivilegeEscalation"], name
            assert container["securityContext"]["capabilities"]["drop"] == ["ALL"], name
            if container["image"].startswith("lusgan"):
                assert container["securityContext"]["readOnlyRootFilesystem"], name
            limits = container["resources"]["limits"]
            assert set(limits) == {"cpu", "memory", "ephemeral-storage"}, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name


def test_the_namespace_is_restricted() -> None:
    """Kubernetes itself refuses a pod there that could do more."""
    (space,) = [d for d in documents(*FILES) if d["kind"] == "Namespace"]
    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_who_has_keys_of_the_storage() -> None:
    """Neither server, database, workers nor the deploying job do: runs get them by their pool."""
    for name, pod in pods():
        told = str(pod)
        assert "lusgan-storage" not in told, name
        assert ("database-password" in told) == (name in ("lusgan-database", "lusgan-server"))


def policies() -> dict[str, dict[str, Any]]:
    """Return the network's policies by name."""
    found = documents(FOLDER / "network.yaml")
    return {d["metadata"]["name"]: d["spec"] for d in found}


def names_of(selector: dict[str, Any]) -> set[str]:
    """Return names of the pods that a selector of these manifests selects."""
    if "matchLabels" in selector:
        return set(selector["matchLabels"].values())
    return {name for one in selector.get("matchExpressions", ()) for name in one["values"]}


def test_what_is_not_allowed_is_refused_in_the_network() -> None:
    """All pods are cut off; the database hears the server alone, the server those who work."""
    found = policies()
    assert found["nobody"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    heard = {
        name: set().union(*(names_of(f["podSelector"]) for f in rule["from"]))
        for name, policy in found.items()
        for rule in policy.get("ingress", ())
    }
    assert heard == {
        "lusgan-database": {"lusgan-server"},
        "lusgan-server": {
            "lusgan-worker-cpu", "lusgan-worker-gpu", "lusgan-run", "lusgan-deploy"
        },
    }  # fmt: skip


def test_policies_select_pods_that_there_are() -> None:
    """A name that no pod has would leave a policy without effect."""
    labels = {
        d["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"]
        for d in documents(*FILES)
        if "template" in d.get("spec", {})
    } | {"lusgan-run"}  # a run's, by its pool's template
    selected = set().union(*(names_of(policy["podSelector"]) for policy in policies().values()))
    assert selected == labels
    budgets = [d["spec"] for d in documents(*FILES) if d["kind"] == "PodDisruptionBudget"]
    assert {name for spec in budgets for name in names_of(spec["selector"])} == {
        "lusgan-database", "lusgan-server"
    }  # fmt: skip


def test_secrets_are_empty() -> None:
    """No password is in the project, and applying the folder does not overwrite those of others."""
    for file in FILES:
        for manifest in documents(file):
            if manifest["kind"] == "Secret":
                assert file.parent != FOLDER
                secret = {
                    v for k, v in manifest["stringData"].items() if not k.endswith(("S3", "REGION"))
                }
                assert secret == {""}
