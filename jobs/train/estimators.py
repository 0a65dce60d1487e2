"""A candidate of the YAML as a scikit-learn pipeline that takes the features as they are."""

import inspect
from importlib import import_module
from typing import Any

from sklearn import __version__ as sklearn_version
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.utils import get_tags

from jobs.errors import UsageError
from jobs.pipeline import Candidate


def build(candidate: Candidate, kinds: dict[str, str], task: str, seed: int) -> Pipeline:
    """Texts become numbers, gaps are filled where the estimator needs it; draws follow the seed."""
    estimator = _estimator(candidate, seed)
    fits = is_classifier(estimator) if task == "classification" else is_regressor(estimator)
    if not fits:
        raise UsageError(f"candidates: {candidate.name}: {candidate.estimator} is not for {task}")
    doubles = [name for name, kind in kinds.items() if kind == "double"]
    texts = [name for name, kind in kinds.items() if kind == "string"]
    grows_trees = candidate.estimator.startswith(("sklearn.ensemble.", "sklearn.tree."))
    numbers: Any = "passthrough"
    if not grows_trees:
        numbers = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
    elif not get_tags(estimator).input_tags.allow_nan:
        numbers = SimpleImputer(keep_empty_features=True)
    # Trees split an order as well as they split a set; lines don't.
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    words = ordinal if grows_trees else OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    prepare = ColumnTransformer([("numbers", numbers, doubles), ("texts", words, texts)])
    return Pipeline([("prepare", prepare), ("estimator", estimator)])


def _estimator(candidate: Candidate, seed: int) -> BaseEstimator:
    module, _, name = candidate.estimator.rpartition(".")
    # scikit-learn ships its own tests, and private parts that a new version may take away.
    if any(part == "tests" or part.startswith("_") for part in candidate.estimator.split(".")):
        raise UsageError(f"candidates: {candidate.name}: {candidate.estimator} is not public: name a documented class")
    try:
        kind = getattr(import_module(module), name)
    except (ImportError, AttributeError):
        raise UsageError(
            f"candidates: {candidate.name}: scikit-learn {sklearn_version} has no {candidate.estimator}"
        ) from None
    if not (inspect.isclass(kind) and issubclass(kind, BaseEstimator)):
        raise UsageError(f"candidates: {candidate.name}: {candidate.estimator} is not an estimator")
    seeded = {"random_state": seed} if "random_state" in inspect.signature(kind).parameters else {}
    try:
        return kind(**(seeded | candidate.params))
    except (TypeError, ValueError) as error:
        raise UsageError(f"candidates: {candidate.name}: params: {error}") from None
