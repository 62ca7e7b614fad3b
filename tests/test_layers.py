"""Imports run downwards: a room of the package may import the rooms below it, and none above or beside it."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "src" / "leanet"

LAYERS = (  # from the top down; rooms of one layer do not know each other
    {"__init__", "__main__", "train", "fit", "predict", "export", "prepare", "ablate", "clean", "info"},
    {"model"},
    {"search"},
    {"grid"},
    {"report"},
    {"experiment"},
    {"maps"},
    {"colorizer", "detector"},
    {"runs"},
    {"training"},
    {"published", "pictures"},
    {"data"},
    {"storage"},
    {"config"},
    {"color", "errors", "progress", "version"},
)


def imports(file: Path) -> Iterator[str]:
    """The dotted names within leanet that a module imports, also those that it imports only when needed."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("leanet."):
            as_module = PACKAGE.joinpath(*node.module.split(".")[1:])
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (names if as_module.is_dir() else [node.module])
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("leanet."))


def module_of(file: Path) -> str:
    return ".".join(["leanet", *file.relative_to(PACKAGE).with_suffix("").parts])


GRAPH = {module_of(file): set(imports(file)) for file in PACKAGE.rglob("*.py")}


def test_every_import_runs_downwards() -> None:
    height = {room: -layer for layer, rooms in enumerate(LAYERS) for room in rooms}
    pairs = {(module, module.split(".")[1], found, found.split(".")[1]) for module in GRAPH for found in GRAPH[module]}
    assert len(pairs) > 500
    upward = [
        (module, found) for module, room, found, below in pairs if room != below and height[room] <= height[below]
    ]
    assert upward == []


def test_there_are_no_circles() -> None:
    TopologicalSorter(GRAPH).prepare()  # raises CycleError


def test_the_root_holds_the_commands_and_every_room_is_a_layer_s() -> None:
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms == set().union(*LAYERS)
