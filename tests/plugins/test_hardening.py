"""What a container can't do under the specification that every job is held to, asked from inside."""

import errno
import json
import socket
from contextlib import contextmanager
from dataclasses import replace

import pytest
from small_images import BASE

from slipway import contracts, engine, hardening, networks, settings
from slipway.embedded import engine_project
from slipway.errors import SettingsError
from slipway.hardening import JOB_USER, hardened

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("job_images")]
MIB = 2**20
LOOK = """
import errno, json, os, pathlib, resource, subprocess
def failing(act):
    try:
        act()
    except OSError as error:
        return error.errno
def run_from_tmp():
    pathlib.Path("/tmp/program").write_text("#!/bin/sh\\n")
    os.chmod("/tmp/program", 0o700)
    subprocess.run(["/tmp/program"], check=True)
status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
print(json.dumps({
    "capabilities": [status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
    "no_new_privileges": status["NoNewPrivs"],
    "seccomp": status["Seccomp"],
    "read_only": failing(lambda: open("/new", "w")) == errno.EROFS,
    "init": pathlib.Path("/proc/1/comm").read_text().strip() == "docker-init",
    "user": [os.getuid(), os.getgid()],
    "open files": resource.getrlimit(resource.RLIMIT_NOFILE),
    "run from tmp": failing(run_from_tmp),
    "fill tmp": failing(lambda: [pathlib.Path("/tmp/full").open("ab", 0).write(bytes(2**20)) for _ in range(99)] and 0),
    "own the root": failing(lambda: os.chown("/tmp", 1, 1)),
}))
"""
FORK = """
import os, time
made = 0
try:
    while made < 5000:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        made += 1
except BlockingIOError:
    print(made)
"""
CONNECT = """
import os, socket
for address in os.environ["ADDRESSES"].split():
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 2).close()
        print("open")
    except OSError:
        print("away")
"""
HELD = {
    "capabilities": ["0" * 16] * 5,
    "no_new_privileges": "1",
    "seccomp": "2",
    "read_only": True,
    "init": True,
    "user": [JOB_USER, JOB_USER],
    "open files": [hardening.OPEN_FILES] * 2,
    "run from tmp": errno.EACCES,
    "fill tmp": errno.ENOSPC,
    "own the root": errno.EPERM,
}


@pytest.fixture(scope="module")
def client():
    with engine.connect() as client:
        yield client


@contextmanager
def container(client, program, network="none", user=f"{JOB_USER}:{JOB_USER}", environment=None, **how):
    """A container under the specification, made and not started."""
    limits = {"memory_bytes": 128 * MIB, "tmp_bytes": 8 * MIB, **how}
    made = client.create_container(
        BASE, ["python3", "-c", program], user=user, environment=environment,
        host_config=client.create_host_config(network_mode=network, **hardened(**limits)),
    )["Id"]  # fmt: skip
    try:
        yield made
    finally:
        client.remove_container(made, v=True, force=True)


def ended(client, made):
    """How a container ended, and what it printed."""
    client.start(made)
    client.wait(made, timeout=60)
    return client.inspect_container(made)["State"], client.logs(made).decode()


def said(client, program, **how):
    with container(client, program, **how) as made:
        state, text = ended(client, made)
    assert state["ExitCode"] == 0, text
    return text


def test_a_container_has_no_right_and_no_place_to_write_but_a_bounded_one(client):
    assert json.loads(said(client, LOOK)) == HELD


@pytest.mark.parametrize("measure", sorted(hardening.MEASURES))
def test_a_measure_that_is_left_out_is_the_only_one(client, measure):
    seen = json.loads(said(client, LOOK, without={measure: "a reason for the test"}))
    assert [name for name in HELD if seen[name] != HELD[name]] == [measure]


def test_each_measure_of_a_contract_can_be_left_out():
    # The user belongs to the container, not to its host's configuration.
    assert {*hardening.MEASURES, "user"} == set(contracts.MEASURES)
    with_user_alone = hardened(MIB, without={"user": "a reason for the test"})
    assert with_user_alone == hardened(MIB)


def test_a_fork_bomb_is_stopped_and_goes_with_its_container(client):
    assert 400 < int(said(client, FORK)) < 512


def test_a_container_is_killed_at_its_memory_limit_and_gets_no_swap(client):
    with container(client, "bytearray(300 * 2**20)", memory_bytes=64 * MIB) as made:
        host = client.inspect_container(made)["HostConfig"]
        state, _ = ended(client, made)
    assert (host["Memory"], host["MemorySwap"]) == (64 * MIB, 64 * MIB)
    assert (state["ExitCode"], state["OOMKilled"]) == (137, True)


@pytest.fixture(scope="module")
def deployed(client, tmp_path_factory):
    """The networks of an embedded deployment."""
    own = f"{settings.read().project}-hardened"
    told = {"SLIPWAY_PROJECT": own, "SLIPWAY_STATE": str(tmp_path_factory.mktemp("state"))}
    found = settings.read(told=told)
    engine_project.prepare(client, found)
    yield found
    engine_project.remove_data(client, found)


@pytest.fixture(scope="module")
def host_port():
    """A port that this machine serves on all its addresses."""
    with socket.create_server(("0.0.0.0", 0)) as listening:  # noqa: S104 - what a container may not reach
        yield listening.getsockname()[1]


def gateways(client, *names):
    return [client.inspect_network(name)["IPAM"]["Config"][0]["Gateway"] for name in names]


def contract(egress):
    probe = contracts.of("checksums", settings.ROOT / "jobs")
    return replace(probe, egress=egress)


@pytest.mark.parametrize(("egress", "reached"), [(False, "away"), (True, "open")])
def test_a_job_reaches_this_machine_only_when_it_says_so(client, deployed, host_port, egress, reached):
    beside, own = gateways(client, deployed.egress_network, deployed.network)
    addresses = f"{beside}:{host_port} {own}:{host_port}"
    with container(client, CONNECT, deployed.network, environment={"ADDRESSES": addresses}) as made:
        networks.join(client, made, contract(egress), deployed)
        _, text = ended(client, made)
    assert text.split() == [reached, "away"]


def test_a_job_that_reaches_out_gets_its_default_route_from_the_network_for_it(client, deployed):
    program = "print(open('/proc/net/route').read())"
    with container(client, program, deployed.network) as made:
        networks.join(client, made, contract(True), deployed)
        _, text = ended(client, made)
    (default,) = [line.split()[2] for line in text.splitlines() if line.split()[1:2] == ["00000000"]]
    (way_out,) = gateways(client, deployed.egress_network)
    assert socket.inet_ntoa(bytes.fromhex(default)[::-1]) == way_out


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("absent", r"checksums has to reach out .*has no network absent: create it \(`docker network create absent`\)"),
        ("own", r"checksums has to reach out .* has no way out: name another in SLIPWAY_EGRESS_NETWORK"),
    ],
)
def test_a_way_out_that_is_none_is_told(client, deployed, name, says):
    elsewhere = replace(deployed, egress_network=deployed.network if name == "own" else name)
    with container(client, "pass", deployed.network) as made, pytest.raises(SettingsError, match=says):
        networks.join(client, made, contract(True), elsewhere)


def test_the_way_out_is_named_after_the_jobs_network_unless_it_is_set():
    told = {"SLIPWAY_PROJECT": "a", "SLIPWAY_NETWORK": "b"}
    names = [settings.read(told=one).egress_network for one in (told, {**told, "SLIPWAY_EGRESS_NETWORK": "c"})]
    assert names == ["b-egress", "c"]
