"""Pages: links, names of files and settings, generated parts, and the README's size."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from graphql import build_schema

from docs import generate
from gateway.gql.execution.graphql_core import print_schema
from gateway.settings.environment import Settings
from tests.docs.pages import PAGES, ROOT, Page

README_LINES = 150
PICTURE_BYTES = 200_000
_VARIABLE = re.compile(r"\b(?:GATEWAY|TWILIO)_[A-Z0-9_]+\b")
# An error code, and a variable that tests read.
_NO_SETTINGS = {"GATEWAY_TIMEOUT", "GATEWAY_TEST_REQUIRES"}
_PATH = re.compile(r"(?:gateway|tests|schema|protos|docs|deploy|examples)/[\w./*-]*[\w/*]")

each_page = pytest.mark.parametrize("page", PAGES, ids=str)


@each_page
def test_relative_links_lead_to_files_and_headings(page: Page) -> None:
    broken = [link for link in page.links if not _leads_somewhere(page, link)]
    assert not broken


def _leads_somewhere(page: Page, link: str) -> bool:
    if link.startswith(("https://", "http://127.0.0.1")):
        return True
    path, _, anchor = link.partition("#")
    target = (page.path.parent / path).resolve() if path else page.path
    if not target.exists():
        return False
    return not anchor or anchor in anchors(target)


@cache
def anchors(path: Path) -> set[str]:
    return Page(path).anchors


@each_page
def test_every_page_has_one_title(page: Page) -> None:
    assert page.titles == 1


@each_page
def test_environment_variables_exist(page: Page) -> None:
    settings = {name.upper() for name in Settings.model_fields}
    # Each may be read from a file.
    known = settings | {f"{name}_FILE" for name in settings} | _NO_SETTINGS
    assert set(_VARIABLE.findall(page.text)) <= known


@each_page
def test_paths_exist(page: Page) -> None:
    spans = [span for span in page.code_spans if _PATH.fullmatch(span)]
    assert not [path for path in spans if not any(ROOT.glob(path.rstrip("/")))]


@pytest.mark.parametrize("page", [Page(path) for path in generate.pages()], ids=str)
def test_generated_parts_are_current(page: Page) -> None:
    assert page.text == generate.generated(page.path), "run `make docs`"


def test_every_generated_part_has_its_page() -> None:
    texts = "".join(page.read_text() for page in generate.pages())
    assert not [name for name in generate.BLOCKS if f"<!-- generated: {name} -->" not in texts]


def test_log_events_exist() -> None:
    code = "".join(path.read_text() for path in (ROOT / "gateway").rglob("*.py"))
    [table] = [
        rows for rows in Page(ROOT / "docs/reference/metrics.md").tables if rows[0][0] == "Event"
    ]
    events = [event for row in table[1:] for event in re.findall(r"`([a-z._]+)`", row[0])]
    assert not [event for event in events if f'"{event}"' not in code]


def test_each_decision_has_its_own_number() -> None:
    pages = [Page(path) for path in sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))]
    numbers = [int(page.path.name[:4]) for page in pages]
    assert len(set(numbers)) == len(numbers)
    assert [page.text.split(".")[0] for page in pages] == [f"# {number}" for number in numbers]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES


def test_pictures_are_small() -> None:
    for picture in (ROOT / "docs/images").iterdir():
        assert picture.stat().st_size <= PICTURE_BYTES


_CODE = [
    (row[header.index("File")].strip("`"), name)
    for page in PAGES
    for header, *rows in page.tables
    if {"File", "Code"} <= set(header)
    for row in rows
    for name in re.findall(r"`([\w.]+)`", row[header.index("Code")])
]


@pytest.mark.parametrize(("path", "name"), _CODE, ids=[f"{path}:{name}" for path, name in _CODE])
def test_code_is_where_the_page_says(path: str, name: str) -> None:
    body: list[ast.stmt] = ast.parse((ROOT / path).read_text()).body
    for part in name.split("."):
        found = [node for node in body if part in _names(node)]
        assert found, f"{path} has no {name}"
        body = getattr(found[0], "body", [])


def _names(node: ast.stmt) -> set[str]:
    """The names that a statement defines."""
    match node:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            return {node.name}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case ast.Assign(targets=targets):
            return {target.id for target in targets if isinstance(target, ast.Name)}
        case _:
            return set()


def test_the_operations_of_both_protocols_are_listed() -> None:
    [table] = [
        rows
        for rows in Page(ROOT / "docs/reference/graphql.md").tables
        if rows[0] == ["What", "GraphQL", "gRPC"]
    ]
    fields, methods = (
        {name for row in table[1:] for name in re.findall(r"`(\w+\.\w+)`", row[column])}
        for column in (1, 2)
    )
    schema = build_schema(print_schema())
    for field in fields:
        type_, _, name = field.partition(".")
        assert name in getattr(schema.type_map[type_], "fields", {}), field
    roots = (schema.query_type, schema.mutation_type, schema.subscription_type)
    assert {f"{root.name}.{name}" for root in roots if root for name in root.fields} <= fields
    services = (ROOT / "protos").rglob("*_service.proto")
    assert methods == {
        f"{path.stem.title().replace('_', '')}.{method}"
        for path in services
        for method in re.findall(r"rpc (\w+)\(", path.read_text())
    }


def test_promises_say_truly_whether_tests_prove_them() -> None:
    page = Page(ROOT / "docs/reliability/promises.md")
    statements = [row for header, *rows in page.tables if header[0] == "Id" for row in rows]
    proved = {row[0] for header, *rows in page.tables if header[0] == "promise" for row in rows}
    for identifier, _, proof in statements:
        named = identifier.split()[0] in proved
        assert named == ("tests" in re.findall(r"\w+", proof)) or "`" in proof, identifier
