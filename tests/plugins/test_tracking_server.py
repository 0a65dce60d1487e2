"""MLflow of the embedded deployment: as a container with a real engine, and as a process."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import psutil
import pytest

from slipway import engine, mlflow_rest, ports, settings
from slipway.embedded import deployment, engine_project, tracking_process, tracking_server
from slipway.errors import EngineAwayError, PortTakenError, TrackingAwayError
from slipway.settings import Settings


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind((ports.LOOPBACK, 0))
        return asked.getsockname()[1]


@pytest.fixture
def stranger() -> Iterator[int]:
    """The port of another program."""
    with socket.socket() as listening:
        listening.bind((ports.LOOPBACK, 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.fixture
def deployed(tmp_path) -> Iterator[Settings]:
    found = replace(settings.read(), state=tmp_path, mlflow_port=free_port(), runtime="process")
    yield found
    tracking_process.stop(found)


@pytest.fixture(scope="module")
def client() -> Iterator[engine.docker.APIClient]:
    with engine.connect() as client:
        yield client


@pytest.fixture
def in_docker(tmp_path, client, job_images) -> Iterator[Settings]:
    found = replace(settings.read(), state=tmp_path, mlflow_port=free_port(), runtime="docker")
    yield found
    deployment.stop(found, volumes=True)


def experiments(deployed: Settings) -> list[str]:
    found = mlflow_rest.ask(
        deployed.mlflow_url, "GET", "/api/2.0/mlflow/experiments/search", params={"max_results": 10}
    )
    return sorted(experiment["name"] for experiment in found["experiments"])


def create_experiment(deployed: Settings, name: str) -> None:
    mlflow_rest.ask(deployed.mlflow_url, "POST", "/api/2.0/mlflow/experiments/create", json={"name": name})


def test_a_port_of_another_program_is_refused_with_what_to_set(deployed, stranger):
    with pytest.raises(PortTakenError, match=rf"port {stranger} is taken .* MLFLOW_PORT={stranger + 1}"):
        tracking_process.up(replace(deployed, mlflow_port=stranger))
    assert not tracking_process.pid_file(deployed).exists()


def test_the_process_is_kept_answers_loopback_alone_and_is_stopped_once(deployed):
    tracking_process.up(deployed)
    server = tracking_process.running(deployed)
    assert server
    tracking_process.up(deployed)
    assert tracking_process.running(deployed) == server
    listening = [one.laddr for child in [server, *server.children()] for one in child.net_connections("inet")]
    assert {(address.ip, address.port) for address in listening} == {(ports.LOOPBACK, deployed.mlflow_port)}
    assert deployment.stop(deployed, volumes=False) == ["process MLflow"]
    assert not psutil.pid_exists(server.pid)
    assert deployment.stop(deployed, volumes=False) == []
    assert deployment.stop(deployed, volumes=True) == [f"folder {deployed.state / 'mlflow'}"]


def test_a_stranger_with_the_recorded_process_number_is_left_alone(deployed):
    record = f'{{"pid": {psutil.Process().pid}, "created": 1.0, "port": {deployed.mlflow_port}}}'
    tracking_process.pid_file(deployed).write_text(record)
    assert tracking_process.running(deployed) is None
    assert tracking_process.stop(deployed) is False


def test_a_server_that_falls_over_is_told_with_its_log(deployed):
    (deployed.state / "mlflow").mkdir()
    (deployed.state / "mlflow" / "mlflow.db").write_text("not a database" * 1000)
    with pytest.raises(TrackingAwayError, match=str(tracking_process.log_file(deployed))):
        tracking_process.up(deployed)


def test_stop_without_anything_removes_nothing(deployed):
    assert deployment.stop(deployed, volumes=True) == []


@pytest.mark.containers
def test_the_container_is_kept_then_replaced_with_its_data_when_the_port_changes(in_docker, client):
    deployment.up("docker", in_docker)
    create_experiment(in_docker, "kept")
    first = client.inspect_container(in_docker.mlflow_container)
    deployment.up("docker", in_docker)
    assert client.inspect_container(in_docker.mlflow_container)["Id"] == first["Id"]

    moved = replace(in_docker, mlflow_port=free_port())
    deployment.up("docker", moved)
    assert client.inspect_container(moved.mlflow_container)["Id"] != first["Id"]
    assert experiments(moved) == ["Default", "kept"]

    name, network = in_docker.mlflow_container, in_docker.network
    assert deployment.stop(in_docker, volumes=False) == [f"container {name}"]
    volumes = [f"volume {in_docker.lake_volume}", f"volume {in_docker.mlflow_volume}"]
    assert deployment.stop(in_docker, volumes=True) == [*volumes, f"network {network}"]
    assert deployment.stop(in_docker, volumes=True) == []


@pytest.mark.containers
def test_the_container_is_hardened_and_published_on_loopback_alone(in_docker, client):
    deployment.up("docker", in_docker)
    found = client.inspect_container(in_docker.mlflow_container)
    host = found["HostConfig"]
    assert host["PortBindings"] == {"5000/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(in_docker.mlflow_port)}]}
    assert (host["CapDrop"], host["SecurityOpt"], host["ReadonlyRootfs"]) == (["ALL"], ["no-new-privileges"], True)
    assert (host["Memory"], host["RestartPolicy"]["Name"]) == (2**30, "unless-stopped")
    assert found["Config"]["User"] == "10001:10001"
    assert "mlflow" in found["NetworkSettings"]["Networks"][in_docker.network]["Aliases"]
    refused = httpx.get(f"{in_docker.mlflow_url}/api/2.0/mlflow/experiments/search", headers={"Host": "evil.example"})
    assert refused.status_code == 403


@pytest.mark.containers
@pytest.mark.parametrize("seen", ["before it is started", "by the engine alone"])
def test_a_taken_port_is_told_the_same_whoever_finds_it(in_docker, client, stranger, monkeypatch, seen):
    if seen == "by the engine alone":
        monkeypatch.setattr(ports, "check_free", lambda port: None)
    with pytest.raises(PortTakenError, match=f"port {stranger} is taken"):
        tracking_server.up(client, replace(in_docker, mlflow_port=stranger))
    assert client.containers(all=True, filters=engine_project.owned(in_docker)) == []


@pytest.mark.containers
def test_each_runtime_takes_the_port_over_from_the_other(in_docker, client):
    deployment.up("docker", in_docker)
    deployment.up("process", in_docker)
    assert client.containers(all=True, filters=engine_project.owned(in_docker)) == []
    deployment.up("docker", in_docker)
    assert tracking_process.running(in_docker) is None


@pytest.mark.containers
def test_starters_at_once_make_one_network(in_docker):
    def prepare(_):
        with engine.connect() as client:
            engine_project.prepare(client, in_docker)

    with ThreadPoolExecutor(8) as starters:
        list(starters.map(prepare, range(8)))
    with engine.connect() as client:
        assert [found["Name"] for found in client.networks(names=[in_docker.network])] == [in_docker.network]


@pytest.mark.containers
def test_what_the_engine_refuses_is_one_line(in_docker):
    with pytest.raises(EngineAwayError, match=r"the Docker engine refused: .*invalid.*: correct what it names"):
        deployment.up("docker", replace(in_docker, lake_volume="not a name"))


@pytest.mark.containers
def test_stop_removes_what_a_job_left_but_not_data(in_docker, client):
    engine_project.prepare(client, in_docker)
    client.create_volume(f"{in_docker.project}-left", labels=engine_project.labels(in_docker, job="train"))
    assert deployment.stop(in_docker, volumes=False) == [f"volume {in_docker.project}-left"[:19]]
    names = {volume["Name"] for volume in engine_project.volumes(client, in_docker)}
    assert names == {in_docker.lake_volume, in_docker.mlflow_volume}
