"""The rules for every value of the settings, in variables, files and rows.

- A blank or null value counts as unset.
- Space around a text is dropped, so a key from a file may end with a line break.
- A text has no line break, control character or other invisible character.
- A list in a variable is JSON. A list of texts may also have commas instead.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Zero-width joiners are part of words in Persian, Hindi and other languages.
_JOINERS: Final = "\u200c\u200d"
_PRINTABLE: Final = re.compile(r"[!#-&(-~]+")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands for a value that its source could not give. `message` says why."""

    message: str


class Values(BaseModel):
    """The base of all settings. Applies the rules of this module to each field."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )
    # Only in variables, a list is a text. In a row, `rooms = ""` must not count as
    # unset: a key without `rooms` may access all of them.
    lists_are_texts: ClassVar[bool] = False

    @model_validator(mode="before")
    @classmethod
    def _leave_out_blank(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        return {name: value for name, value in values.items() if not cls._is_unset(name, value)}

    @classmethod
    def _is_unset(cls, name: str, value: object) -> bool:
        if isinstance(value, str) and not cls.lists_are_texts and name in cls.model_fields:
            return is_blank(value) and _item_type(cls.model_fields[name]) is None
        return is_blank(value)

    @field_validator("*", mode="before")
    @classmethod
    def _clean(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, Unreadable):
            raise ValueError(value.message)
        if not isinstance(value, str):
            return value
        text = clean_text(value)
        field = cls.model_fields[str(info.field_name)]
        is_list = cls.lists_are_texts and _item_type(field) is not None
        return parse_list(text, field) if is_list else text


def is_blank(value: object) -> bool:
    """Whether the value is null, or a text of nothing but space."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return value is None or (isinstance(value, str) and not value.strip())


def clean_text(value: Any) -> Any:
    """Returns a text without the space around it, and any other value as it is.

    Raises ValueError for a text with an invisible character. The error does not quote
    it: the text may be a secret.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    if any(unicodedata.category(each) in _INVISIBLE and each not in _JOINERS for each in text):
        raise ValueError(
            "contains a line break, a control character or another invisible character: remove it"
        )
    return text


def _clean_item(value: Any) -> Any:
    text = clean_text(value)
    if text == "":
        raise ValueError("must not be blank")
    return text


Text = Annotated[str, BeforeValidator(_clean_item)]
"""An item of a list of texts."""


def parse_list(text: str, field: FieldInfo) -> Any:
    """Returns the list in the text of a variable. Raises ValueError.

    A list of texts may be JSON, or have commas between its items.
    """
    has_commas = _item_type(field) is str
    if has_commas and not text.startswith("["):
        return [item for each in text.split(",") if (item := each.strip())]
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = text
    if found is None:
        return ()
    if not isinstance(found, list):
        example = json.dumps((field.examples or [["…"]])[0], ensure_ascii=False)
        commas = ", or items with commas in between" if has_commas else ""
        raise ValueError(f"give a JSON list such as {example}{commas}")
    return found


def matching(pattern: str, description: str) -> AfterValidator:
    """Returns a check that a text is what the pattern, and the description, say."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise ValueError(f"must be {description}")
        return text

    return AfterValidator(check)


def _check_credential(value: str | SecretStr) -> str | SecretStr:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if _PRINTABLE.fullmatch(text) is None:
        raise ValueError(
            "must consist of printable ASCII characters without spaces and quotes: "
            "copy it again from Twilio's Console"
        )
    return value


# `docker run --env-file` keeps quotes, and text copied from a page may have other
# characters in between. With such a token, all callbacks would be refused.
Credential = Annotated[SecretStr, AfterValidator(_check_credential)]
"""A secret of Twilio's."""
CredentialSid = Annotated[str, AfterValidator(_check_credential)]
"""The SID of a secret of Twilio's."""


def _item_type(field: FieldInfo) -> Any:
    """Returns the type of a list's items, and None for a field that is no list."""
    for annotation in (field.annotation, *get_args(field.annotation)):
        if get_origin(annotation) is tuple:
            item = get_args(annotation)[0]
            return get_args(item)[0] if get_origin(item) is Annotated else item
    return None
