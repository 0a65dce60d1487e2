"""What a candidate has to beat: the target's mean, or its most frequent class, overall or per group."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jobs.pipeline import Baseline


def means(
    baseline: Baseline, groups: pd.DataFrame, target: NDArray[Any], fit: NDArray[Any], apply: NDArray[Any]
) -> NDArray[Any]:
    """Means of the rows `fit` for the rows `apply`; unseen groups get the mean of all.

    `target` has one column per value to average: the target itself, or one indicator per class.
    """
    overall = target[fit].mean(axis=0)
    if not baseline.mean_by:
        return np.tile(overall, (len(apply), 1))
    keys = baseline.mean_by
    known = pd.DataFrame(target[fit]).groupby([groups.iloc[fit][key].to_numpy() for key in keys]).mean()
    wanted = (
        pd.MultiIndex.from_frame(groups.iloc[apply][keys]) if len(keys) > 1 else pd.Index(groups.iloc[apply][keys[0]])
    )
    found = known.reindex(wanted).to_numpy()
    return np.where(np.isnan(found), overall, found)
