"""Run benchmarks by name, or all of them."""

from __future__ import annotations

import argparse
import importlib
import json
import sys

NAMES = (
    "hot_path",
    "flat_choice",
    "flat_balance",
    "contention",
    "import",
    "report",
    "startup",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in NAMES:
            parser.error(f"{name!r} is not one of {', '.join(NAMES)}")
    for name in arguments.names or NAMES:
        module = importlib.import_module(
            f"tests.bench.{name}_ratio" if name == "import" else f"tests.bench.{name}"
        )
        for result in module.run():
            if arguments.json:
                print(json.dumps(result.as_json()), flush=True)
                continue
            mark = "met" if result.met else "MISSED"
            print(
                f"{result.name:24} {result.ratio:10.3f} {result.unit:28} {result.target:9} {mark}"
            )
            print(
                "    " + ", ".join(f"{key} {value}" for key, value in result.details.items()),
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
