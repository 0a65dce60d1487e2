"""A candidate that can't compete is the YAML's fault, told in one line."""

import pytest
from line import Line, as_csv, demand_rows

FAULTS = {
    "sklearn.base.BaseEstimator": ({}, "is not for regression"),
    "sklearn.preprocessing.StandardScaler": ({}, "is not for regression"),
    "sklearn.cluster.KMeans": ({}, "is not for regression"),
    "sklearn.ensemble.IsolationForest": ({}, "is not for regression"),
    "sklearn.ensemble.tests.test_bagging.DummySizeEstimator": ({}, "is not public"),
    "sklearn.utils._joblib.Parallel": ({}, "is not public"),
    "sklearn.ensemble.VotingRegressor": ({"estimators": []}, "can't be used with its params"),
    "sklearn.neighbors.KNeighborsRegressor": ({"n_neighbors": 100000}, "expected n_neighbors"),
    "sklearn.linear_model.SGDRegressor": ({"eta0": 1e300}, "candidates: "),
}


@pytest.mark.parametrize("estimator", FAULTS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_candidate_that_can_not_compete_is_a_usage_error(line: Line, estimator: str) -> None:
    params, says = FAULTS[estimator]
    line.yaml["candidates"] = [{"name": "odd", "estimator": estimator, "params": params}]
    line.land(as_csv(demand_rows(3)))
    assert line.run("ingest") == 0
    assert line.run("train") == 64
    assert says.lower() in line.message.lower()
