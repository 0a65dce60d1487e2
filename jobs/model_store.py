"""Models as skops files: written with a checksum, loaded only when it fits and only types we know are inside."""

import hashlib
import logging
import tempfile
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import skops.io
from mlflow.models import ModelSignature
from mlflow.types.schema import ColSpec, Schema, TensorSpec
from numpy.typing import NDArray

from jobs import guesses
from jobs.errors import ModelFileError
from jobs.model_card import ModelCard
from jobs.registry import ModelVersion

log = logging.getLogger(__name__)
# The image has no pip, and the requirements below are given.
logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)
_FILE = "model.skops"
_CARD = "slipway/model_card.json"
_TRUSTED = ("sklearn.", "numpy.", "scipy.")
_REQUIREMENTS = ("scikit-learn", "numpy", "scipy", "pandas", "skops", "mlflow-skinny")


@dataclass(frozen=True)
class LoadedModel:
    """A fitted pipeline and the card it was written with."""

    version: ModelVersion
    card: ModelCard
    estimator: Any

    def guess(self, features: pd.DataFrame, classes: list[Any]) -> NDArray[Any]:
        """Values, or one column of probabilities per class."""
        return guesses.guess(self.estimator, features, classes)


def save(estimator: Any, card: ModelCard, example: pd.DataFrame) -> tuple[str, str]:
    """Log the model and its card to the active run; its `models:/` address and its file's sha256."""
    types = skops.io.get_untrusted_types(data=skops.io.dumps(estimator))
    _refuse_foreign(types)
    output = "double" if card.task == "regression" else "string" if isinstance(card.classes[0], str) else "long"
    inputs: list[ColSpec | TensorSpec] = [ColSpec(kind, name) for name, kind in card.kinds.items()]
    signature = ModelSignature(inputs=Schema(inputs), outputs=Schema([ColSpec(output)]))
    with warnings.catch_warnings():
        # mlflow 3.17 compares columns with a range, which pandas 4 will take as a scalar; drop with the next mlflow.
        warnings.simplefilter("ignore", pd.errors.Pandas4Warning)
        # mlflow warns of its own type hints when its pyfunc is first imported.
        warnings.filterwarnings("ignore", ".*Any type hint is inferred", UserWarning)
        info = mlflow.sklearn.log_model(
            estimator,
            name="model",
            signature=signature,
            input_example=example,
            pip_requirements=[f"{name}=={version(name)}" for name in _REQUIREMENTS],
            serialization_format="skops",
            skops_trusted_types=types,
        )
    mlflow.log_dict(card.model_dump(mode="json"), _CARD)
    with tempfile.TemporaryDirectory() as folder:
        # Read back, so that what is registered is known to have arrived.
        return info.model_uri, _sha256(_download(info.model_uri, folder))


def load(model: ModelVersion) -> LoadedModel:
    """Raises ModelFileError when the file is not the one that training wrote, or holds types we don't know."""
    with tempfile.TemporaryDirectory() as folder:
        path = _download(f"models:/{model.name}/{model.number}", folder)
        digest = _sha256(path)
        if digest != model.tags.get("sha256"):
            raise ModelFileError(
                f"version {model.number} of {model.name} is not the file that training wrote (sha256 {digest[:12]}…, "
                f"expected {model.tags.get('sha256', 'none')[:12]}…): train again, and find out who changed it"
            )
        types = skops.io.get_untrusted_types(file=path)
        _refuse_foreign(types)
        log.info("loaded version %s of %s, sha256 %s…", model.number, model.name, digest[:12])
        return LoadedModel(model, read_card(model), skops.io.load(path, trusted=types))


def read_card(model: ModelVersion) -> ModelCard:
    """The card that train wrote to the version's run."""
    return ModelCard.model_validate(mlflow.artifacts.load_dict(f"runs:/{model.run_id}/{_CARD}"))


def _refuse_foreign(types: list[str]) -> None:
    foreign = [name for name in types if not name.startswith(_TRUSTED)]
    if foreign:
        raise ModelFileError(f"a model may hold types of scikit-learn, numpy and scipy only, not {', '.join(foreign)}")


def _download(uri: str, folder: str) -> Path:
    return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder)) / _FILE


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
