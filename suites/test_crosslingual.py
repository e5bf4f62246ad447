"""Does a question in one language find the passage in the other? For data sets that name a translation (`parallel`)."""

from __future__ import annotations

import pytest


@pytest.mark.needs_vectors
def test_crosslingual(model, parallel, crosslingual, gate):
    gate(crosslingual(model, parallel))
