"""`python -m pytest_embedeval`."""

from __future__ import annotations

import sys

from pytest_embedeval.cli import main

sys.exit(main())
