import pytest

from slipway import contracts, settings
from slipway.contracts import Limits, bytes_of
from slipway.errors import ContractError

JOBS = settings.ROOT / "jobs"


def write(folder, text):
    path = folder / "score" / "job.yaml"
    path.parent.mkdir()
    path.write_text(text)
    return path


def test_every_folder_of_a_job_has_a_contract():
    found = sorted(contracts.load_all(JOBS))
    assert found == sorted(path.name for path in JOBS.iterdir() if path.is_dir() and path.name[0] not in "._")
    assert {"checksums", "ingest", "predict", "promote", "train"} <= set(found)


@pytest.mark.parametrize("job", sorted(contracts.load_all(JOBS)))
def test_every_contract_is_that_of_its_folder_and_describes_each_parameter(job):
    contract = contracts.of(job, JOBS)
    assert contract.job == job
    undescribed = [
        name
        for name, schema in contract.parameters["properties"].items()
        if "description" not in schema and "$ref" not in schema
    ]
    assert undescribed == []


def test_every_form_value_has_a_default():
    assert [
        (job, name)
        for job, contract in contracts.load_all(JOBS).items()
        for name, schema in contract.form.items()
        if "default" not in schema
    ] == []


def test_a_job_that_is_not_there_names_those_that_are():
    with pytest.raises(ContractError, match=rf"no job 'scroe': .*there are {', '.join(contracts.load_all(JOBS))}"):
        contracts.of("scroe", JOBS)


def test_a_contract_without_an_image_is_refused(tmp_path):
    with pytest.raises(ContractError, match=r"job.yaml: not a usable contract \('image'\)"):
        contracts.load(write(tmp_path, "{job: score, description: d, limits: {}, parameters: {}}"))


@pytest.mark.parametrize("name", ["LD_PRELOAD", "PYTHONPATH", "PATH"])
def test_names_that_change_what_a_program_loads_are_refused(tmp_path, name):
    text = f"{{job: s, description: d, image: data, environment: [{name}], parameters: {{}}, "
    text += "limits: {memory: 1g, cpus: 1, timeout_seconds: 9}}"
    with pytest.raises(ContractError, match=f"may not be given {name}"):
        contracts.load(write(tmp_path, text))


@pytest.mark.parametrize(("size", "count"), [("512m", 512 * 2**20), ("2g", 2**31), ("1.5G", 3 * 2**29), (7, 7)])
def test_sizes_are_written_as_docker_writes_them(size, count):
    assert bytes_of(size) == count


def test_a_size_that_is_none_is_refused():
    with pytest.raises(ValueError, match="memory 'much' is not a size"):
        bytes_of("much")


def test_a_pipeline_overrides_only_the_limits_that_it_names():
    assert contracts.limits({"memory": "4g"}, Limits(2**30, 2.0, 60)) == Limits(2**32, 2.0, 60)
