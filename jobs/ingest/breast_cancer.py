"""The Wisconsin diagnostic breast cancer table that scikit-learn ships: 569 measured rows, no day.

Thirty measurements per sample, a running number `sample`, and `malignant` (1) or benign (0).
"""

import pyarrow as pa
from sklearn.datasets import load_breast_cancer

NAME = "builtin:breast_cancer"


def table() -> pa.Table:
    """All rows as texts; a measurement is called as in scikit-learn, with underscores."""
    bunch = load_breast_cancer()
    names = [str(name).replace(" ", "_") for name in bunch.feature_names]
    columns = {"sample": [str(number) for number in range(1, len(bunch.target) + 1)]}
    columns |= {name: [repr(float(value)) for value in bunch.data[:, place]] for place, name in enumerate(names)}
    # scikit-learn codes benign as 1; what is looked for should be the positive class.
    columns["malignant"] = [str(1 - int(value)) for value in bunch.target]
    where = {"slipway_file": [NAME] * len(bunch.target), "slipway_n": list(range(1, len(bunch.target) + 1))}
    return pa.table(columns | where)
