"""Imports point one way, and only those who need a heavy library load it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tracker
from tests.builders import START, Clock, grant, offer

PACKAGE = Path(tracker.__file__).parent

# What each part may import of the others. Parts of one line do not import each other.
BASE = frozenset({"errors", "text", "units"})
LOWER = BASE | {"files", "domain", "routing", "catalogue", "importers", "store", "wire"}
LAYERS = {
    "errors": frozenset(),
    "text": frozenset({"errors"}),
    "units": frozenset({"errors", "text"}),
    "files": frozenset({"errors", "text"}),
    "domain": BASE,
    "routing": BASE | {"domain"},
    "catalogue": BASE | {"domain"},
    "importers": BASE | {"files", "domain"},
    "store": BASE | {"files", "domain"},
    "wire": BASE | {"domain", "routing"},
    "service": LOWER,
    "reports": BASE | {"files", "domain", "store"},
    "bootstrap": BASE | {"store", "service"},
    "ledger": LOWER | {"service"},
    "__init__": LOWER | {"service", "bootstrap", "ledger"},
    "demo": LOWER | {"service", "reports", "bootstrap", "ledger", "__init__"},
    "cli": LOWER | {"service", "reports", "bootstrap", "ledger", "__init__", "demo"},
    "__main__": frozenset({"cli"}),
}

# Who may import what is not Python's own. A folder stands for all that is in it.
LIBRARIES = {
    "sqlalchemy": {"store"},
    "alembic": {"store/migrate.py"},
    "psycopg": {"store/connection.py"},
    "pysqlite3": {"store/sqlite.py"},
    "platformdirs": {"store/address.py"},
    "pandas": {"reports"},
    "pyarrow": {"reports/parquet.py"},
    "typer": {"cli"},
    "click": {"cli"},
    "rich": {"cli"},
}
HEAVY = ("sqlalchemy", "alembic", "pandas", "numpy", "pyarrow", "typer")


def part_of(module: str) -> str:
    """Return the part of the package a dotted name is in."""
    part = module.removeprefix("tracker").removeprefix(".").partition(".")[0]
    there = (PACKAGE / part).is_dir() or (PACKAGE / f"{part}.py").is_file()
    return part if part and there else "__init__"


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of every import of a file, wherever in it that is."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            if node.module == "tracker":
                yield from ((node.lineno, f"tracker.{alias.name}") for alias in node.names)
            elif node.module:
                yield node.lineno, node.module


SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)
each_source = pytest.mark.parametrize(
    "path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix()
)


def where(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_part_has_a_layer() -> None:
    assert {where(path) for path in SOURCES} <= set(LAYERS)


def test_layers_are_in_order() -> None:
    seen: set[str] = set()
    for part, below in LAYERS.items():
        assert below <= seen, part
        seen.add(part)


@each_source
def test_imports_point_one_way(path: Path) -> None:
    part = where(path)
    for line, name in imports(path):
        if name == "tracker" or name.startswith("tracker."):
            other = part_of(name)
            assert other == part or other in LAYERS[part], f"line {line}: {part} imports {name}"


@each_source
def test_only_those_who_own_a_library_import_it(path: Path) -> None:
    place = path.relative_to(PACKAGE).as_posix()
    for line, name in imports(path):
        library = name.partition(".")[0]
        if library in sys.stdlib_module_names or library == "tracker":
            continue
        owners = LIBRARIES.get(library, set())
        assert place in owners or place.partition("/")[0] in owners, f"line {line}: {name}"


@each_source
def test_the_domain_and_the_routing_read_no_clock_and_no_file(path: Path) -> None:
    if where(path) not in ("domain", "routing"):
        return
    world = {"os", "io", "time", "random", "secrets", "socket", "sqlite3", "pathlib", "threading"}
    assert not world & {name.partition(".")[0] for _, name in imports(path)}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            assert node.attr not in ("now", "utcnow", "today"), f"line {node.lineno}"


def loaded(script: str, *arguments: str) -> set[str]:
    """Return which heavy libraries a script has loaded when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", f"{script}\nimport sys; print(*sys.modules)", *arguments],
        capture_output=True,
        check=True,
        text=True,
    )
    return set(HEAVY) & set(done.stdout.split())


def test_importing_tracker_loads_nothing_heavy() -> None:
    assert loaded("import tracker; tracker.Ledger, tracker.Usage, tracker.Money") == set()


def test_opening_routing_and_settling_load_nothing_heavy(database: str, clock: Clock) -> None:
    with tracker.open(database, clock=clock) as ledger:
        offer(ledger)
        grant(ledger, 1_000, "g")
    script = f"""
import sys, tracker
from datetime import datetime
with tracker.open(sys.argv[1], clock=lambda: datetime.fromisoformat("{START.isoformat()}")) as it:
    decision = it.route("chat", input_tokens=10, max_output_tokens=5, request_id="r")
    it.settle(decision.reservation_id, input_tokens=10, output_tokens=20)
    it.log_usage("acme", "acme-chat", input_tokens=1, output_tokens=1)
    assert it.balance().totals[0].spent == 32
    assert it.verify().ok
"""
    assert loaded(script, database) == set()
