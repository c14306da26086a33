"""The rules of the house, kept by a test: sizes, docstrings, purity, walls on paper, no leftovers.

Each failure lists every offender with file and line. An exception to a rule stands in a table
below with its reason, never in the code that breaks the rule.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "opensma"
ROOMS = sorted(p.parent for p in SOURCE.glob("*/__init__.py"))
CODE = sorted(SOURCE.rglob("*.py"))
ALL_CODE = [*CODE, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "tools").glob("*.py"))]

LONGEST_FILE = 600
LONGEST_LINE = 100
LONGEST_FUNCTION = 70
NINE_OF_TEN_FUNCTIONS = 30
LONGEST_DOCSTRING = 6
LARGEST_FILE = 1_000_000

# Exact rooms: integers only. The two doors below turn numbers of other people into ours.
EXACT = [SOURCE / "units.py", *sorted((SOURCE / "tax").rglob("*.py"))]
FLOAT_DOORS = {("units.py", "micros_from_float")}

# Where the wall clock may be read: only at the edge, where a person gives a command.
CLOCK_ALLOWED = ("cli/", "web/", "client.py")
# Where a broad `except` stands: the edge, since Python's own exit code 1 means "a difference".
BROAD_EXCEPT_ALLOWED = {"cli/__init__.py"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def place(path: Path, node: ast.AST | int) -> str:
    line = node if isinstance(node, int) else getattr(node, "lineno", 1)
    return f"{path.relative_to(ROOT)}:{line}"


def functions(path: Path) -> Iterator[Function]:
    return (n for n in ast.walk(tree(path)) if isinstance(n, Function))


def length(node: Function) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def public(path: Path) -> Iterator[tuple[str, ast.AST, str | None]]:
    """Modules, public classes, and public functions and methods (not those inside functions)."""

    def walk(node: ast.Module | ast.ClassDef) -> Iterator[tuple[str, ast.AST, str | None]]:
        for child in node.body:
            if not isinstance(child, ast.ClassDef | Function) or child.name.startswith("_"):
                continue
            if "overload" not in {ast.unparse(d) for d in child.decorator_list}:
                yield child.name, child, ast.get_docstring(child)
                if isinstance(child, ast.ClassDef):
                    yield from walk(child)

    if tree(path).body:  # an empty file has nothing to say
        yield "module", tree(path), ast.get_docstring(tree(path))
    yield from walk(tree(path))


# --- size --------------------------------------------------------------------------------------


def test_no_file_is_too_long_to_hold_in_mind() -> None:
    sizes = {path: len(path.read_text().splitlines()) for path in CODE}
    assert not [f"{place(p, 1)} {n} lines" for p, n in sizes.items() if n > LONGEST_FILE]


def test_lines_fit() -> None:
    assert not [
        place(path, number)
        for path in ALL_CODE
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > LONGEST_LINE
    ]


def test_functions_are_short() -> None:
    measured = sorted((length(f), place(path, f), f.name) for path in CODE for f in functions(path))
    assert not [entry for entry in measured if entry[0] > LONGEST_FUNCTION]
    ninth = measured[int(0.9 * len(measured))]
    over = [entry for entry in measured if entry[0] > NINE_OF_TEN_FUNCTIONS]
    assert ninth[0] <= NINE_OF_TEN_FUNCTIONS, over


# --- words -------------------------------------------------------------------------------------


def test_everything_public_says_what_it_is() -> None:
    missing, long = [], []
    for path in CODE:
        for name, node, text in public(path):
            if not text:
                missing.append(f"{place(path, node)} {name}")
            elif name != "module" and len(text.splitlines()) > LONGEST_DOCSTRING:
                long.append(f"{place(path, node)} {name}")
    assert not missing, f"no docstring: {missing}"
    assert not long, f"docstring over {LONGEST_DOCSTRING} lines: {long}"


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_every_room_says_what_lives_there(room: Path) -> None:
    text = " ".join((ast.get_docstring(tree(room / "__init__.py")) or "").split())
    assert "Lives here" in text
    assert "Must never" in text


# --- purity ------------------------------------------------------------------------------------


def owner(path: Path, node: ast.AST) -> str:
    """The name of the outermost function around a node, for the tables of exceptions."""
    line = getattr(node, "lineno", 0)
    names = [
        f.name for f in tree(path).body if isinstance(f, Function) and f.lineno <= line
        and line <= (f.end_lineno or 0)
    ]  # fmt: skip
    return names[0] if names else ""


def is_float(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, float)
    if isinstance(node, ast.Name):
        return node.id == "float"
    if isinstance(node, ast.Attribute):
        return node.attr in {"float32", "float64", "floating", "true_divide"}
    return False


@pytest.mark.parametrize("path", EXACT, ids=lambda path: path.name)
def test_money_and_law_know_no_float(path: Path) -> None:
    assert not [
        place(path, node)
        for node in ast.walk(tree(path))
        if is_float(node) and (path.name, owner(path, node)) not in FLOAT_DOORS
    ]


def clock_or_chance(path: Path) -> Iterator[tuple[ast.AST, str]]:
    """Reads of the wall clock, and random numbers that no seed decides."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            module = getattr(node, "module", None)
            if {"random", "secrets"} & {module, *names} or (module == "uuid" and "uuid4" in names):
                yield node, "chance"
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if re.search(
                r"(^|\.)(time\.time|time_ns|(date|datetime)\.(now|utcnow|today))$", called
            ):
                yield node, "clock"
            unseeded = called.endswith("default_rng") and not (node.args or node.keywords)
            if unseeded or re.search(r"\bnp\.random\.(?!default_rng|Generator|SeedSeq|PC)", called):
                yield node, "chance"
            if called in {"uuid.uuid4", "uuid4", "os.urandom"}:
                yield node, "chance"


def test_clock_and_chance_are_parameters() -> None:
    assert not [
        f"{place(path, node)} {kind}"
        for path in CODE
        for node, kind in clock_or_chance(path)
        if not path.relative_to(SOURCE).as_posix().startswith(CLOCK_ALLOWED)
    ]


def test_no_error_is_swallowed_unread() -> None:
    broad = []
    for path in CODE:
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.ExceptHandler):
                continue
            kinds = set() if node.type is None else {ast.unparse(n) for n in ast.walk(node.type)}
            name = path.relative_to(SOURCE).as_posix()
            too_wide = node.type is None or kinds & {"Exception", "BaseException"}
            if isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None:
                continue  # cleans up and passes the error on unchanged
            if too_wide and name not in BROAD_EXCEPT_ALLOWED:
                broad.append(place(path, node))
    assert not broad


# --- the repository ----------------------------------------------------------------------------


@cache
def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        return []
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_large_file_is_tracked() -> None:
    if not tracked():
        pytest.skip("not a git checkout: tracked files are unknown")
    assert not [str(p) for p in tracked() if p.stat().st_size > LARGEST_FILE]


# Built from halves, so that this file does not trip over itself. Folders of one machine, settings
# of one network: neither means anything to a reader.
LEFTOVERS = re.compile(
    "|".join(
        first + second
        for first, second in [
            (r"(?<![\w.])/wo", r"rk/"),
            (r"(?<![\w.])/ro", r"ot/"),
            (r"(?<![\w.])/ho", r"me/\w"),
            (r"\bsha", r"red/(facts|data|cases|design|contracts|hooks)"),
            (r"index", r"-url"),
            (r"(https?|HTTPS?)_(pro|PRO)", r"(xy|XY)"),
            (r"<<<<", r"<<< "),
        ]
    )
)
LEFTOVERS_ALLOWED = {".ci/run", "LICENSE"}


def test_nothing_of_a_workplace_is_left_behind() -> None:
    found = []
    for path in tracked() or ALL_CODE:
        name = path.relative_to(ROOT).as_posix()
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # an image
        if name not in LEFTOVERS_ALLOWED:
            found += [
                f"{name}:{number} {hit.group()}"
                for number, line in enumerate(text.splitlines(), 1)
                if (hit := LEFTOVERS.search(line))
            ]
    assert not found


def test_tests_mirror_the_house() -> None:
    known = {room.name for room in ROOMS} | {path.stem for path in SOURCE.glob("*.py")}
    folders = {
        p.name for p in (ROOT / "tests").iterdir() if p.is_dir() and any(p.rglob("test_*.py"))
    }
    assert folders <= known, f"tests of no room: {folders - known}"
    modules = {p.stem.removeprefix("test_") for p in (ROOT / "tests").glob("test_*.py")}
    assert modules - {"tidy", "audit"} <= known, f"tests of no module: {modules - known}"


# --- documents ---------------------------------------------------------------------------------


def words_about(path: Path) -> str:
    """Comments and docstrings: where a rule of law is cited by its number."""
    code = path.read_text(encoding="utf-8")
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    comments = (token.string for token in tokens if token.type == tokenize.COMMENT)
    documented = (
        n for n in ast.walk(tree(path)) if isinstance(n, ast.Module | ast.ClassDef | Function)
    )
    return "\n".join(chain(comments, (ast.get_docstring(n) or "" for n in documented)))


def test_every_rule_cited_is_written_down() -> None:
    """Rules are cited as `W4`; `L1` is left out, since worked examples name lots like that."""
    page = ROOT / "docs" / "tax.md"
    if not page.exists():
        pytest.skip("docs/tax.md is not written yet: rule numbers cannot be checked")
    written = set(re.findall(r"\b[A-Z]\d{1,2}\b", page.read_text(encoding="utf-8")))
    cited: dict[str, str] = {}
    for path in EXACT:
        for rule in re.findall(r"\b[DHWCGQSFR]\d{1,2}\b", words_about(path)):
            cited[rule] = place(path, 1)
    for path in (ROOT / "tests" / "tax").rglob("*.py"):
        for test in functions(path):
            for rule in re.findall(r"(?<=_)[dhwcgqsfr]\d{1,2}(?=_|$)", test.name):
                cited[rule.upper()] = place(path, test)
    assert not {rule: where for rule, where in cited.items() if rule not in written}


@pytest.mark.parametrize("room", ["measure", "billing"])
def test_every_rule_of_measurement_cited_is_written_down(room: str) -> None:
    written = set(re.findall(r"\b[MB]\d{1,2}\b", (ROOT / "docs" / "measure.md").read_text("utf-8")))
    cited: dict[str, str] = {}
    for path in (SOURCE / room).rglob("*.py"):
        for rule in re.findall(r"\b[MB]\d{1,2}\b", words_about(path)):
            cited[rule] = place(path, 1)
    for path in (ROOT / "tests" / room).rglob("*.py"):
        for test in functions(path):
            for rule in re.findall(r"(?<=_)[mb]\d{1,2}(?=_|$)", test.name):
                cited[rule.upper()] = place(path, test)
    assert cited
    assert not {rule: where for rule, where in cited.items() if rule not in written}


def test_the_command_page_is_fresh() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "cli_reference.py", "--check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_links_between_documents_lead_somewhere() -> None:
    dead = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                dead.append(f"{page.relative_to(ROOT)} -> {target}")
    assert not dead
