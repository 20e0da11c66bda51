"""Where Twilio's status callbacks arrive: unpack the form, hand it to its account, answer at once."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.core.errors import GatewayError, InvalidArgument, PermissionDenied
from gateway.core.rooms import AccountSid
from gateway.service.accounts import Account
from gateway.service.log.ingest import FORGED
from gateway.web import errors

PATH = "/callbacks/twilio"
# Twilio sends some twenty fields; each costs memory before the signature is known to be good.
FIELDS_LIMIT = 100


class Callbacks:
    def __init__(self, accounts: Mapping[AccountSid, Account]) -> None:
        self._accounts = accounts
        self._any = next(iter(accounts.values()))

    async def receive(self, request: web.Request) -> web.Response:
        """204 once the event is in the log (or was there, or is none of ours); 403 for a signature that does not hold;
        400 for a signed callback that cannot be read; 503 when the log cannot be written, so that Twilio tries again."""
        try:
            # A GET carries its fields in the query, which is then part of what was signed; a POST in its form.
            query = request.raw_path.partition("?")[2]
            fields = _parse(query if request.method == "GET" else await _form(request))
            is_form, signature = request.method != "GET", request.headers.get("X-Twilio-Signature")
            # Signed like the rest: with it, a callback names the token that must have signed it.
            account = self._accounts.get(AccountSid(dict(fields).get("AccountSid", "")))
            if account is None:
                # As much work as for an account of ours, so that the time taken does not tell which ones are.
                self._any.ingest.is_signed(
                    fields, query=query, is_form=is_form, signature=signature
                )
                raise PermissionDenied(FORGED)
            await account.ingest.take(fields, query=query, is_form=is_form, signature=signature)
        except GatewayError as exc:
            return errors.response(exc)
        return web.Response(status=204)


async def _form(request: web.Request) -> str:
    if request.content_type != "application/x-www-form-urlencoded":
        raise InvalidArgument(
            "the body is not a form; send application/x-www-form-urlencoded, as Twilio does"
        )
    return (await request.read()).decode("utf-8", "replace")


def _parse(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_LIMIT)
    except ValueError:
        raise InvalidArgument(f"the form has more than {FIELDS_LIMIT} fields") from None
