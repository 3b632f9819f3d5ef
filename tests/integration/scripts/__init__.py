"""Contract of the scripts. A feature has its cases in a module `cases_<feature>` of its own."""

import importlib
from pathlib import Path

for _path in sorted(Path(__file__).parent.glob("cases_*.py")):
    importlib.import_module(f"{__name__}.{_path.stem}")
