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
