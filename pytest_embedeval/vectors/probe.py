"""Is a model behind an API still the one whose vectors are kept? One text, encoded at each load, tells."""

from __future__ import annotations

import numpy as np

from pytest_embedeval.keys import text_keys
from pytest_embedeval.models import Model
from pytest_embedeval.models.remote import PROBE
from pytest_embedeval.vectors.store import Store
from pytest_embedeval.vectors.unit import normalised

_SAME = 0.999  # what providers return for one text varies less than that from day to day


def check_probe(model: Model, store: Store) -> None:
    """Compare the vector that a model gives the probe now with the one that is kept, and warn where it is another.

    Kept is the first one that was seen, together with the vectors of documents: whoever removes these removes it, too.
    """
    recipe = model.recipe("document")
    shelf = store.shelf(recipe, model.info.source) if recipe else None
    if model.remote is None or shelf is None or not np.isfinite(model.remote.probe).all():
        return
    now = normalised(model.remote.probe[None, :])
    keys = text_keys([PROBE])
    places = shelf.find(keys)
    kept = np.empty_like(now)
    if (places < 0).any() or not shelf.read(places, kept, np.zeros(1, dtype=np.int64)).all():
        shelf.add(keys, now, np.full(1, -1, dtype=np.int32), 0.0)
        return
    cosine = float(kept[0] @ now[0])
    if cosine < _SAME:
        source = model.info.source
        store.tell(
            f"changed-behind-its-name: model {model.alias!r} ({source}) gives one text a vector with a cosine of "
            f"{cosine:.3f} to the one it gave when its vectors were kept; name a revision ({source}@LABEL), or clear "
            f"the cache (pytest-embedeval cache clear {source})"
        )
