"""The house of style.md, checked on the syntax tree of every product file: who may import whom, and how long a file may be."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "curation_assets"
FILES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "resources").rglob("*.py")])
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))

# Imports run down only. Floors of one line are siblings and never import each other.
FLOORS = (
    {"errors"},
    {"tables"},
    {"audit_tables"},
    {"spec"},
    {"keep"},
    {"algorithms"},
    {"scores", "filters", "summaries"},
    {"instance"},
    {"instances"},
    {"nodes"},
    {"section"},
    {"recipe_keep", "recipe_sections"},
    {"recipe_faults"},
    {"recipe", "methods"},
    {"graph", "recipe_override"},
    {"lineage"},
    {"holdings"},
    {"audit"},
    {"assets"},
    {"demo"},
    {"terminal"},
    {"terminal_audit", "terminal_takedown", "terminal_versions"},
    {"cli_options"},
    {"cli_audit", "cli_versions"},
    {"cli", "definitions"},
)
HEIGHT = {name: height for height, floor in enumerate(FLOORS) for name in floor}
DAGSTER_ALLOWED = ("curation_assets/definitions.py", "curation_assets/assets/", "resources/")
HEAVY = {"torch", "open_clip", "faiss", "deltalake"}
# A score's update takes what its compute takes and two things more.
FREE = {"self", "cls", "former", "is_new"}
EMPTY_NAMES = {"utils", "helpers", "common", "base", "core", "misc"}
TOP_LEVEL = (
    *("pyproject.toml", "README.md", "curation_assets", "resources", "tests", "workspace.yaml", "dagster.yaml"),
    *("Makefile", "curation.yaml", "benchmarks", "docs", ".ci", ".gitignore"),
)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> set[str]:
    """Absolute names of all modules that a file imports anywhere in it, also inside functions."""
    names: set[str] = set()
    package = list(path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, node.module] if node.module else above)
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def floor_of(parts: list[str]) -> str:
    return parts[1] if len(parts) > 1 else ""


def upward_imports(path: Path) -> list[str]:
    """Imports of a file of curation_assets that do not run down."""
    own = floor_of(list(path.relative_to(ROOT).with_suffix("").parts))
    wrong = []
    for name in sorted(imported(path)):
        parts = name.split(".")
        if parts[0] == "resources" and HEIGHT[own] < HEIGHT["holdings"]:
            wrong.append(f"{relative(path)} imports {name}; only holdings and what is above it may use resources")
        if parts[0] != "curation_assets":
            continue
        floor = floor_of(parts)
        if floor not in HEIGHT or (floor != own and HEIGHT[floor] >= HEIGHT[own]):
            wrong.append(f"{relative(path)} ({own}) imports {name}; imports run down only")
    return wrong


def test_every_file_of_the_package_has_a_floor():
    names = {floor_of(list(path.relative_to(ROOT).with_suffix("").parts)) for path in FILES if PACKAGE in path.parents}
    assert names == set(HEIGHT) | {"__init__"}


def test_imports_run_down_only():
    files = [path for path in FILES if PACKAGE in path.parents and path != PACKAGE / "__init__.py"]
    assert [line for path in files for line in upward_imports(path)] == []


def test_resources_import_only_the_errors_of_ours():
    allowed = ("curation_assets.errors",)
    files = [path for path in FILES if PACKAGE not in path.parents]
    ours = [(relative(path), name) for path in files for name in imported(path) if name.startswith("curation_assets")]
    assert [f"{path} imports {name}" for path, name in ours if not name.startswith(allowed)] == []


@pytest.mark.parametrize("folder", ["scores", "filters", "summaries"])
def test_methods_never_import_each_other(folder: str):
    # filters/threshold.py is no method: the recipe makes filters of numeric columns with it.
    files = [path for path in (PACKAGE / folder).glob("*.py") if path.name != "__init__.py"]
    wrong = [
        f"{relative(path)} imports {name}"
        for path in files
        for name in imported(path)
        if name.startswith(f"curation_assets.{folder}")
    ]
    assert wrong == []


def test_dagster_and_heavy_libraries_stay_on_their_floors():
    wrong = []
    for path in FILES:
        roots = {name.split(".")[0] for name in imported(path)}
        if "dagster" in roots and not relative(path).startswith(DAGSTER_ALLOWED):
            wrong.append(f"{relative(path)} imports dagster")
        if roots & HEAVY and not relative(path).startswith("resources/"):
            wrong.append(f"{relative(path)} imports {sorted(roots & HEAVY)}")
    assert wrong == []


def test_every_file_says_by_its_name_what_it_holds():
    assert [relative(path) for path in FILES if EMPTY_NAMES & {path.stem, *path.relative_to(ROOT).parts}] == []


def test_files_have_at_most_250_lines():
    lengths = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {path: length for path, length in lengths.items() if length > 250} == {}


def functions() -> list[tuple[str, ast.FunctionDef]]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    trees = [(relative(path), ast.parse(path.read_text(encoding="utf-8"))) for path in FILES]
    return [(f"{path}:{node.name}", node) for path, tree in trees for node in ast.walk(tree) if isinstance(node, kinds)]


def test_functions_have_at_most_40_lines_without_the_docstring():
    def lines(function: ast.FunctionDef) -> int:
        docstring = function.body[0] if ast.get_docstring(function) is not None else None
        spent = docstring.end_lineno - docstring.lineno + 1 if docstring else 0
        return function.end_lineno - function.lineno + 1 - spent

    assert {name: lines(function) for name, function in functions() if lines(function) > 40} == {}


def test_arguments_are_typed_and_few():
    wrong = []
    for name, function in functions():
        positional = [a for a in [*function.args.posonlyargs, *function.args.args] if a.arg not in FREE]
        untyped = [a.arg for a in [*positional, *function.args.kwonlyargs] if a.annotation is None]
        if untyped or function.args.kwarg is not None:
            wrong.append(f"{name}: untyped {untyped}, **kwargs {function.args.kwarg is not None}")
        # What a score takes are its input columns, as many as it needs.
        if len(positional) > 5 and not name.startswith("curation_assets/scores/"):
            wrong.append(f"{name}: {len(positional)} positional arguments")
    assert wrong == []


def test_product_code_has_no_assert_and_no_any():
    wrong = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assert) or (isinstance(node, ast.Name) and node.id == "Any"):
                wrong.append(f"{relative(path)}:{node.lineno}")
    assert wrong == []


def test_every_module_says_what_belongs_in_it():
    silent = [relative(path) for path in FILES if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert silent == []


@pytest.mark.parametrize("folder", ["algorithms", "filters", "scores", "summaries"])
def test_every_method_has_a_test_of_its_name(folder: str):
    methods = {path.stem for path in (PACKAGE / folder).glob("*.py")} - {"__init__"}
    tests = {path.stem.removeprefix("test_") for path in TESTS if path.parent.name == folder}
    assert methods - tests == set()


def test_top_level_of_the_repository():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout, so nothing says which files belong to it")
    assert {line.split("/")[0] for line in listed.stdout.splitlines()} == set(TOP_LEVEL)


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import curation_assets.cli", {"torch", "open_clip", "faiss", "dagster", "deltalake"}),
        ("import curation_assets.scores; curation_assets.scores.all_scores()", {"torch", "dagster", "deltalake"}),
        ("import curation_assets.definitions", {"torch", "open_clip", "faiss"}),
    ],
)
def test_imports_stay_light(statement: str, forbidden: set[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CURATION_RECIPE", raising=False)
    script = f"import sys\n{statement}\nprint(*sorted(set({sorted(forbidden)!r}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
