"""Fixtures and paths for every test."""

import os
import sys
from pathlib import Path

# Workers beside each other have one core each: before NumPy and torch are imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

sys.path.insert(0, str(Path(__file__).parent))
