"""Work pools: their templates give what Prefect's workers, Docker and Kubernetes accept."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

import jsonschema
import kubernetes_validate
import pytest
from docker.types import HostConfig

from lusgan_core.errors import ConfigError, MissingError, UnknownNameError
from lusgan_ops.deploy import deploy, pool_templates, prefect_file
from lusgan_ops.pools import Kind, Template, drop_pool, make_pool, pool_name, template
from lusgan_ops.up.home import UpSettings

pytestmark = pytest.mark.usefixtures("prefect_server")  # before anything imports Prefect
S3 = UpSettings(exams="s3://exams", store="s3://artifacts", preset="demo")


def populated(made: Template) -> dict[str, Any]:
    """Return the job configuration with its variables' defaults, as a worker makes it."""
    from prefect.utilities.templating import apply_values

    variables = made["variables"]["properties"]
    values = {name: v["default"] for name, v in variables.items() if v.get("default") is not None}
    filled = apply_values(made["job_configuration"], {"name": "a run", **values})
    assert isinstance(filled, dict)
    return filled


def flow_run() -> Any:
    """Return a run that a worker could be given."""
    from prefect.client.schemas.objects import FlowRun

    return FlowRun(flow_id=uuid4(), name="train score 2")


@pytest.mark.parametrize("gpu", [False, True], ids=["cpu", "gpu"])
@pytest.mark.parametrize("kind", list(Kind))
def test_a_template_is_consistent(kind: Kind, gpu: bool) -> None:
    """Variables are a schema that their own defaults fit, and each is used and described."""
    made = template(kind, gpu)
    schema = made["variables"]
    jsonschema.Draft202012Validator.check_schema(schema)
    used = set(re.findall(r"{{ *(\w+) *}}", json.dumps(made["job_configuration"])))
    assert used == set(schema["properties"])
    for name, variable in schema["properties"].items():
        assert variable["title"], name
        assert variable["description"].endswith("."), name
        if variable.get("default") is not None:
            jsonschema.validate(variable["default"], variable)


def test_processes() -> None:
    """Prefect's process worker takes the template's configuration."""
    from prefect.workers.process import ProcessJobConfiguration

    made = ProcessJobConfiguration(**populated(template(Kind.PROCESS, True)))
    made.prepare_for_flow_run(flow_run())
    assert made.stream_output


@pytest.mark.parametrize("gpu", [False, True], ids=["cpu", "gpu"])
def test_containers(gpu: bool) -> None:
    """The docker worker takes it; the engine is asked for GPUs, shared memory, no rights."""
    from prefect_docker.worker import DockerWorkerJobConfiguration

    made = DockerWorkerJobConfiguration(**populated(template(Kind.DOCKER, gpu, "lusgan:mine")))
    made.prepare_for_flow_run(flow_run())
    assert made.image == "lusgan:mine"
    assert made.container_create_kwargs is not None
    asked = HostConfig(version="1.41", **made.container_create_kwargs)
    devices = [(d["Driver"], d["Count"], d["Capabilities"]) for d in asked["DeviceRequests"]]
    assert devices == ([("nvidia", -1, [["gpu"]])] if gpu else [])
    assert asked["ShmSize"] == 2 * 1024**3
    assert asked["ReadonlyRootfs"]
    assert asked["CapDrop"] == ["ALL"]
    assert asked["PidsLimit"] == 4096
    assert asked["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "5"}
    assert "AWS_SECRET_ACCESS_KEY" not in json.dumps(template(Kind.DOCKER, gpu))


@pytest.mark.parametrize("gpu", [False, True], ids=["cpu", "gpu"])
def test_jobs_of_a_cluster(gpu: bool) -> None:
    """The kubernetes worker takes it; the job that it makes is one that Kubernetes accepts."""
    from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration

    made = KubernetesWorkerJobConfiguration(**populated(template(Kind.KUBERNETES, gpu)))
    made.prepare_for_flow_run(flow_run())
    job = made.job_manifest
    pod = job["spec"]["template"]["spec"]
    # prefect-kubernetes insists on these two, which belong to a job; a cluster drops them
    del pod["parallelism"], pod["completions"]
    kubernetes_validate.validate(job, "1.34", strict=True)
    container = pod["containers"][0]
    limits = container["resources"]["limits"]
    assert limits.pop("nvidia.com/gpu") == int(gpu)
    assert limits == {"cpu": "8", "memory": "16Gi", "ephemeral-storage": "20Gi"}
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] == "lusgan-run"
    assert pod["nodeSelector"] == ({"nvidia.com/gpu.present": "true"} if gpu else {})
    assert {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}} in pod["volumes"]
    assert job["spec"]["ttlSecondsAfterFinished"] == 3600
    assert container["envFrom"] == [{"secretRef": {"name": "lusgan-storage"}}]


def test_variables_of_a_pool() -> None:
    """A variable can be set by name; one that does not exist, or cannot be that, is refused."""
    made = template(Kind.KUBERNETES, True, job={"gpus": 4, "env": {"A": "b"}})
    assert (
        populated(made)["job_manifest"]["spec"]["template"]["spec"]["containers"][0]["resources"][
            "limits"
        ]["nvidia.com/gpu"]
        == 4
    )
    with pytest.raises(UnknownNameError, match="did you mean 'gpus'"):
        template(Kind.KUBERNETES, True, job={"gpu": 4})
    with pytest.raises(ConfigError, match="variable 'gpus': 'four' is not of type 'integer'"):
        template(Kind.KUBERNETES, True, job={"gpus": "four"})
    env = template(Kind.DOCKER, True, job={"env": {"A": "b"}})["variables"]["properties"]["env"]
    assert env["default"] | {"A": "b"} == env["default"], "the credentials' place is kept"


def test_trainings_go_to_the_gpu() -> None:
    """With GPUs, pipelines stay where there is none and send their trainings to where they are."""
    for kind in Kind:
        found = {d["name"]: d for d in prefect_file(S3, kind, True)["deployments"]}
        for name in ("training", "train-score", "useful"):
            assert found[name]["work_pool"] == {"name": pool_name(kind, True)}
        assert found["training"]["parameters"] == {"device": "cuda"}
        assert found["train-score"]["parameters"]["config"]["runtime"]["device"] == "cuda"
        for name in ("pipeline", "watch"):
            assert found[name]["work_pool"] == {"name": pool_name(kind, False)}
        for name in ("pipeline", "evaluate"):
            assert found[name]["parameters"]["config"]["runtime"]["device"] == "auto"
        assert found["pipeline"]["parameters"]["train_on"] == "training/training"
    without = {d["name"]: d for d in prefect_file(S3, Kind.PROCESS, False)["deployments"]}
    assert {d["work_pool"]["name"] for d in without.values()} == {"lusgan-cpu"}
    assert "train_on" not in without["pipeline"]["parameters"]


def test_a_folder_is_no_address_elsewhere() -> None:
    """A container does not see this machine's folders: refused before the server is told."""
    here = S3.model_copy(update={"store": "/data/store"})
    with pytest.raises(ConfigError, match=r"--store: .* expected s3://BUCKET/PREFIX"):
        prefect_file(here, Kind.DOCKER, False)
    assert prefect_file(here, Kind.PROCESS, False)


def test_a_pool_keeps_what_was_set_on_the_server() -> None:
    """Deployed again, a pool has the new template; its limit moves only when one is given."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolUpdate

    name, kind = "lusgan-docker-gpu", Kind.DOCKER
    assert make_pool(name, kind, template(kind, True), overwrite=True, limit=2)
    with get_client(sync_client=True) as client:
        assert client.read_work_pool(name).concurrency_limit == 2
        client.update_work_pool(name, WorkPoolUpdate(is_paused=True, concurrency_limit=3))
        again = template(kind, True, "lusgan:new")
        assert not make_pool(name, kind, again, overwrite=False, limit=4)
        assert client.read_work_pool(name).base_job_template != again
        assert make_pool(name, kind, again, overwrite=True)
        found = client.read_work_pool(name)
        assert found.base_job_template == again
        assert (found.concurrency_limit, found.is_paused) == (3, True)
        assert make_pool(name, kind, again, overwrite=True, limit=1)
        assert client.read_work_pool(name).concurrency_limit == 1
        with pytest.raises(MissingError, match="is of type docker, not kubernetes: delete it"):
            make_pool(name, Kind.KUBERNETES, again, overwrite=True)
        client.delete_work_pool(name)


def test_the_pool_without_gpus_asks_for_none() -> None:
    """What is set for the GPUs' pool stays there; a pipeline must not hold what it waits for."""
    job = {"gpus": 2, "tolerations": [{"operator": "Exists"}], "namespace": "lab"}
    made = pool_templates(Kind.KUBERNETES, True, "", job, apart=True)
    gpu, cpu = (
        made[pool_name(Kind.KUBERNETES, g)]["variables"]["properties"] for g in (True, False)
    )
    assert (gpu["gpus"]["default"], cpu["gpus"]["default"]) == (2, 0)
    assert (gpu["image"]["default"], cpu["image"]["default"]) == ("lusgan:gpu", "lusgan:cpu")
    assert cpu["tolerations"]["default"] == []
    assert gpu["namespace"]["default"] == cpu["namespace"]["default"] == "lab"


def test_a_limit_is_one_of_the_gpus() -> None:
    """A pool that pipelines share with the trainings that they wait for is not limited."""
    with pytest.raises(ConfigError, match="--trainings limits the pool of the GPUs: give --gpu"):
        deploy(S3, Kind.DOCKER, False, trainings=1)


def test_a_pool_that_nothing_uses_goes() -> None:
    """Once trainings have no pool of their own any more, theirs would stand in the UI as not
    ready; one that a deployment uses stays."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import WorkPoolFilter, WorkPoolFilterName

    from lusgan_flows.pipeline import pipeline

    only = WorkPoolFilter(name=WorkPoolFilterName(any_=["dropped"]))
    make_pool("dropped", Kind.PROCESS, template(Kind.PROCESS, True), overwrite=True)
    with get_client(sync_client=True) as client:
        flow = client.create_flow(pipeline)
        used = client.create_deployment(flow, "uses it", work_pool_name="dropped")
        assert not drop_pool("dropped")
        assert client.read_work_pools(work_pool_filter=only)
        client.delete_deployment(used)
        assert drop_pool("dropped")
        assert not client.read_work_pools(work_pool_filter=only)
    assert not drop_pool("dropped")
