"""Write docs/gallery.md from runs of every module in the gallery; `--check` compares all but what they cost.

The published archives are fetched from npm and PyPI, or taken from the folder that ``--archives`` names. The modules
are compiled into a folder of the tool's own, so that a first load compiles.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.foreign.gallery.fetching import UnfetchedError, fetch
from tests.foreign.gallery.page import PAGE, summary, without_costs, write_page
from tests.foreign.gallery.visits import tour


def main() -> int | str:
    """Run it; what is wrong, or 0."""
    parser = argparse.ArgumentParser(description="Write docs/gallery.md.")
    parser.add_argument("--check", action="store_true", help="compare all but the costs")
    parser.add_argument("--archives", type=Path, help="the folder that the archives are in, or go to")
    wanted = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        os.environ["JUDICIA_NOTEBOOK_CACHE"] = str(Path(name, "modules"))
        folder = wanted.archives or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            seen = tour(fetch(folder))
        except UnfetchedError as error:
            return str(error)
    print(summary(seen, time.monotonic() - begun))
    page = write_page(seen, f"{os.cpu_count()} processors")
    if wanted.check:
        return 0 if without_costs(PAGE.read_text("utf-8")) == without_costs(page) else f"{PAGE.name} is out of date"
    PAGE.write_text(page, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
