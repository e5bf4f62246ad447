"""What does a model lose when people type without diacritics, in capitals, with typos, or in other inflections?"""

from __future__ import annotations

import pytest


@pytest.mark.needs_new_queries
def test_robustness(model, dataset, robustness, gate):
    gate(robustness(model, dataset))
