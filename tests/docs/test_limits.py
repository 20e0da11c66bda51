"""Figures in tables with a column *Source*, and the keys in Redis, match the code."""

import dataclasses
import importlib
import inspect
import re
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from gateway.core.rooms import AccountSid
from gateway.store.keys import Keys
from tests.docs.pages import PAGES, ROOT, Page

_UNITS = {
    "": 1, "points": 1,
    "ms": 1e-3, "s": 1, "min": 60, "h": 3600,
    "kB": 1e3, "MB": 1e6, "KiB": 2**10, "MiB": 2**20,
}  # fmt: skip
_FIGURE = re.compile(r"([\d,.]+)(?: ([A-Za-z]+))?(?:, `\w+`)?")

_ROWS = [
    (f"{page}: {row[0]}", row[header.index("Value")], row[header.index("Source")].strip("`"))
    for page in PAGES
    for header, *rows in page.tables
    if "Source" in header
    for row in rows
]


def test_there_are_figures() -> None:
    assert len(_ROWS) > 50


@pytest.mark.parametrize(
    ("value", "source"), [row[1:] for row in _ROWS], ids=[row[0] for row in _ROWS]
)
def test_a_figure_is_that_of_the_code(value: str, source: str) -> None:
    found = _FIGURE.fullmatch(value)
    assert found is not None, f"{value!r} is not a figure"
    figure = float(found[1].replace(",", "")) * _UNITS[found[2] or ""]
    assert figure == pytest.approx(_constant(source))


def _constant(source: str) -> float:
    """Returns a constant such as `gateway.core.paging:PAGE_LIMIT`.

    It is in seconds, bytes or pieces.
    """
    module, _, path = source.partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        found = _part(found, name)
    if isinstance(found, timedelta):
        return found.total_seconds()
    value = float(found)
    return value / 1000 if path.lower().endswith("_ms") else value


def _part(owner: Any, name: str) -> Any:
    """An attribute, or the default of a field."""
    if isinstance(owner, type) and issubclass(owner, BaseModel):
        return owner.model_fields[name].default
    if isinstance(owner, type) and dataclasses.is_dataclass(owner):
        return next(field.default for field in dataclasses.fields(owner) if field.name == name)
    return getattr(owner, name)


def test_the_table_of_redis_keys_is_complete() -> None:
    keys = Keys(AccountSid("AC"))
    names = [name for name in vars(Keys) if not name.startswith("_") and name != "account_sid"]
    real = {_key(getattr(keys, name)).removeprefix("rg:{AC}:") for name in names}
    [table] = [
        rows for rows in Page(ROOT / "docs/deployment/redis.md").tables if rows[0][0] == "Key"
    ]
    documented = [re.sub(r"<\w+>|…", ".+", row[0].strip("`")) for row in table[1:]]
    assert not [key for key in real if not any(re.fullmatch(form, key) for form in documented)]
    assert not [form for form in documented if not any(re.fullmatch(form, key) for key in real)]


def _key(made: Any) -> str:
    if not callable(made):
        return str(made)
    return str(made(*["X"] * len(inspect.signature(made).parameters)))
