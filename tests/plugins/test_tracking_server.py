"""MLflow of the embedded deployment: as a container with a real engine, and as a process."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import httpx
import psutil
import pytest
import small_images

from slipway import engine, mlflow_rest, ports, settings
from slipway.embedded import deployment, engine_project, tracking_process, tracking_server
from slipway.errors import EngineAwayError, NetworkInUseError, PortTakenError, SettingsError, TrackingAwayError
from slipway.hardening import hardened
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

    name, networks = in_docker.mlflow_container, [in_docker.network, in_docker.egress_network]
    assert deployment.stop(in_docker, volumes=False) == [f"container {name}"]
    volumes = [f"volume {in_docker.lake_volume}", f"volume {in_docker.mlflow_volume}"]
    *first, one, other = deployment.stop(in_docker, volumes=True)
    assert (first, sorted([one, other])) == (volumes, [f"network {network}" for network in networks])
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
    joined = found["NetworkSettings"]["Networks"]
    assert sorted(joined) == [in_docker.network, in_docker.egress_network]
    assert "mlflow" in joined[in_docker.network]["Aliases"]
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
def test_a_job_reaches_mlflow_by_its_name(in_docker, client):
    deployment.up("docker", in_docker)
    ask = "import urllib.request as request; print(request.urlopen('http://mlflow:5000/health', timeout=20).status)"
    limits = client.create_host_config(network_mode=in_docker.network, **hardened(2**28))
    job = client.create_container(small_images.BASE, ["python3", "-c", ask], host_config=limits)["Id"]
    client.start(job)
    ended = client.wait(job)["StatusCode"], client.logs(job).decode().strip()
    client.remove_container(job, v=True, force=True)
    assert ended == (0, "200")


@pytest.fixture
def older(in_docker, client) -> Iterator[str]:
    """The jobs' network as it was made before it had no way out; its ID."""
    made = client.create_network(in_docker.network, labels=engine_project.labels(in_docker))["Id"]
    yield made
    for container in client.containers(all=True, filters={"network": made}):
        client.remove_container(container["Id"], v=True, force=True)


@contextmanager
def somebody(client, name: str, network: str) -> Iterator[None]:
    """A container that runs on a network."""
    limits = client.create_host_config(network_mode=network, init=True)
    made = client.create_container(small_images.BASE, ["sleep", "60"], name=name, host_config=limits)["Id"]
    client.start(made)
    try:
        yield
    finally:
        client.remove_container(made, v=True, force=True)


@pytest.mark.containers
def test_the_network_of_an_older_slipway_is_replaced_with_the_mlflow_on_it(in_docker, client, older):
    labels = engine_project.labels(in_docker, service="mlflow")
    limits = client.create_host_config(network_mode=in_docker.network)
    client.create_container(
        small_images.BASE, ["sleep", "60"], name=in_docker.mlflow_container, labels=labels, host_config=limits
    )
    client.start(in_docker.mlflow_container)
    deployment.up("docker", in_docker)
    found = client.inspect_network(in_docker.network)
    assert (found["Internal"], found["Id"] == older) == (True, False)
    assert client.inspect_container(in_docker.mlflow_container)["Id"] in found["Containers"]


@pytest.mark.containers
def test_an_older_network_that_is_in_use_is_told_and_left(in_docker, client, older):
    name = f"{in_docker.project}-job"
    with somebody(client, name, older), pytest.raises(NetworkInUseError, match=f"{name} is still on it: wait"):
        tracking_server.up(client, in_docker)
    assert client.inspect_network(in_docker.network)["Id"] == older


@pytest.mark.containers
def test_a_network_of_somebody_elses_stays_and_its_way_out_is_told(in_docker, client, capsys):
    theirs = client.create_network(in_docker.network)["Id"]
    try:
        deployment.up("docker", in_docker)
        assert "is not Slipway's and has a way out: so have the jobs" in capsys.readouterr().out
        assert deployment.stop(in_docker, volumes=True)[-1] == f"network {in_docker.egress_network}"
    finally:
        client.remove_network(theirs)


@pytest.mark.containers
def test_one_name_for_both_networks_is_refused(in_docker):
    with pytest.raises(SettingsError, match="are both one, and one of them has no way out"):
        deployment.up("docker", replace(in_docker, network="one", egress_network="one"))


@pytest.mark.containers
def test_starters_at_once_make_one_network_of_each_name(in_docker):
    def prepare(_):
        with engine.connect() as client:
            engine_project.prepare(client, in_docker)

    with ThreadPoolExecutor(8) as starters:
        list(starters.map(prepare, range(8)))
    with engine.connect() as client:
        made = sorted(found["Name"] for found in client.networks(names=[in_docker.network]))
    assert made == [in_docker.network, in_docker.egress_network]


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
