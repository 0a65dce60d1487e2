"""What docker-compose.yaml promises of every service, read from the file itself."""

import re
from pathlib import Path

import pytest
import yaml

from slipway.stack import secret_values

FILE = Path(__file__).resolve().parents[1] / "docker-compose.yaml"
COMPOSE = yaml.safe_load(FILE.read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
STEPS = {"store-init", "mlflow-init", "airflow-init"}
DATABASE_OF_AIRFLOW = {"AIRFLOW_DB_PASSWORD", "AIRFLOW_FERNET_KEY"}
BUCKET = {"S3_ACCESS_KEY", "S3_SECRET_KEY"}
SECRETS = {
    "postgres": {"AIRFLOW_DB_PASSWORD", "MLFLOW_DB_PASSWORD"},
    "store": {"STORE_ROOT_KEY", "STORE_ROOT_SECRET"},
    "store-init": {"STORE_ROOT_KEY", "STORE_ROOT_SECRET", *BUCKET},
    "mlflow-init": {"MLFLOW_DB_PASSWORD", "MLFLOW_ADMIN_PASSWORD", "MLFLOW_JOBS_PASSWORD"},
    "mlflow": {"MLFLOW_DB_PASSWORD", "MLFLOW_ADMIN_PASSWORD", "MLFLOW_SECRET_KEY", *BUCKET},
    "airflow-init": {*DATABASE_OF_AIRFLOW, *BUCKET, "AIRFLOW_ADMIN_PASSWORD", "MLFLOW_JOBS_PASSWORD"},
    "api-server": {*DATABASE_OF_AIRFLOW, "AIRFLOW_JWT_SECRET", "AIRFLOW_API_SECRET_KEY"},
    "scheduler": {*DATABASE_OF_AIRFLOW, "AIRFLOW_JWT_SECRET"},
    "dag-processor": DATABASE_OF_AIRFLOW,
}


def filled_in(value):
    """The names that compose fills into a part of the file."""
    return set(re.findall(r"\$\{(\w+)", str(value)))


def test_the_services_are_these():
    assert sorted(SERVICES) == sorted(SECRETS)


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_service_is_held_to_what_every_container_is(name):
    service = SERVICES[name]
    held = {key: service[key] for key in ("read_only", "cap_drop", "security_opt", "init", "user", "pull_policy")}
    assert held == {
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "init": True,
        "user": "10001:10001",
        "pull_policy": "never",
    }
    assert service["restart"] == ("no" if name in STEPS else "unless-stopped")
    assert service["logging"]["options"]["max-size"]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["stop_grace_period"]
    assert "privileged" not in service


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_service_is_given_the_secrets_that_it_needs_and_no_others(name):
    every = set().union(*SECRETS.values())
    assert every == set(secret_values.LENGTHS)
    assert filled_in(SERVICES[name]["environment"]) & every == SECRETS[name]
    assert filled_in(SERVICES[name].get("command")) == set()


def test_only_the_two_user_interfaces_are_published_and_on_loopback():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "mlflow": ["127.0.0.1:${MLFLOW_PORT:-5050}:5000"],
        "api-server": ["127.0.0.1:${AIRFLOW_PORT:-8080}:8080"],
    }


def test_the_engine_is_the_schedulers_alone():
    assert [name for name, service in SERVICES.items() if "docker.sock" in str(service)] == ["scheduler"]
    assert [name for name, service in SERVICES.items() if "group_add" in service] == ["scheduler"]


def test_jobs_meet_the_store_and_mlflow_and_nothing_else():
    met = sorted(name for name, service in SERVICES.items() if "jobs" in service["networks"])
    assert met == ["mlflow", "store", "store-init"]


def test_jobs_have_no_way_out_but_by_a_network_that_tasks_are_told_of():
    jobs, egress = COMPOSE["networks"]["jobs"], COMPOSE["networks"]["egress"]
    assert jobs["internal"] == "${JOBS_INTERNAL:-true}"
    # Without it an internal network still leads to whatever this host serves.
    assert jobs["driver_opts"] == {"com.docker.network.bridge.inhibit_ipv4": "${JOBS_INTERNAL:-true}"}
    assert "internal" not in egress
    told = SERVICES["scheduler"]["environment"]
    assert (told["SLIPWAY_NETWORK"], told["SLIPWAY_EGRESS_NETWORK"]) == (jobs["name"], egress["name"])
    assert [name for name, service in SERVICES.items() if "egress" in service["networks"]] == ["mlflow"]


def test_each_image_has_to_be_named_by_id_or_digest():
    assert {service["image"] for service in SERVICES.values()} == {
        f"${{IMAGE_{name}:?start the stack with make up}}" for name in ("AIRFLOW", "MLFLOW", "POSTGRES", "STORE")
    }
