"""`rooms-gateway keys`: makes API keys."""

import hashlib
import json
import secrets
from typing import Annotated

import typer
from pydantic import ValidationError

from gateway.service.callers.api_keys import KEY_PREFIX
from gateway.settings.accounts import ApiKeySettings
from gateway.settings.messages import describe

keys = typer.Typer(no_args_is_help=True, help="Makes API keys.")


@keys.callback()
def group() -> None:
    """Makes API keys."""


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Name of the key in logs.")] = "default",
) -> None:
    """Prints a new API key and its row for GATEWAY_API_KEYS. Stores neither."""
    key = new_api_key()
    try:
        row = api_key_row(name, key).model_dump(exclude_none=True)
    except ValidationError as exc:
        raise typer.BadParameter(describe(exc.errors()[0]), param_hint="NAME") from None
    typer.echo(json.dumps({"api_key": key, "row": row}, indent=2))


def new_api_key() -> str:
    return KEY_PREFIX + secrets.token_urlsafe(24)


def api_key_row(name: str, key: str) -> ApiKeySettings:
    """Returns the row of GATEWAY_API_KEYS for this key.

    It has every scope but `admin`.
    """
    return ApiKeySettings(
        id=name,
        sha256=hashlib.sha256(key.encode()).hexdigest(),
        scopes=("rooms:read", "rooms:write", "events:subscribe", "tokens:mint"),
    )
