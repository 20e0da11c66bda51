"""Receives Twilio's status callbacks, and passes each to its account."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.core.errors import GatewayError, InvalidArgument, PermissionDenied
from gateway.core.rooms import AccountSid
from gateway.http.headers import only_value
from gateway.service.accounts import Account
from gateway.service.log.ingest import FORGED
from gateway.web.errors import error_response

PATH = "/callbacks/twilio"
# Twilio sends about 20 fields. Each field takes memory before the signature is
# verified.
FIELDS_LIMIT = 100


class Callbacks:
    def __init__(self, accounts: Mapping[AccountSid, Account]) -> None:
        self._accounts = accounts
        self._any_account = next(iter(accounts.values()))

    async def receive(self, request: web.Request) -> web.Response:
        """Answers one callback. Twilio retries after every failure.

        - 204: the event is in the log, was there before, or is of a type that is not
          logged; or the callback is too old, and its room will be checked instead.
        - 400: the request is not a form, it has two signatures, or the signature is
          valid and the callback cannot be read.
        - 403: the signature is wrong, or the account is unknown.
        - 503: the log cannot be written.
        """
        try:
            # A GET has its fields in the query, which is part of the signed URL. A POST
            # has them in its form.
            query = request.raw_path.partition("?")[2]
            fields = _parse(query if request.method == "GET" else await _form(request))
            is_form = request.method != "GET"
            signature = only_value(request.headers, "X-Twilio-Signature")
            # The signature covers this field too. It selects the token to verify with.
            account = self._accounts.get(AccountSid(dict(fields).get("AccountSid", "")))
            if account is None:
                # Verifies anyway, so that the response time does not reveal which
                # accounts exist.
                self._any_account.ingest.is_signed(
                    fields, query=query, is_form=is_form, signature=signature
                )
                raise PermissionDenied(FORGED)
            await account.ingest.receive(fields, query=query, is_form=is_form, signature=signature)
        except GatewayError as exc:
            return error_response(exc)
        return web.Response(status=204)


async def _form(request: web.Request) -> str:
    if request.content_type != "application/x-www-form-urlencoded":
        raise InvalidArgument("Content-Type must be application/x-www-form-urlencoded")
    return (await request.read()).decode("utf-8", "replace")


def _parse(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_LIMIT)
    except ValueError:
        raise InvalidArgument(
            f"the callback has too many fields: send up to {FIELDS_LIMIT}"
        ) from None
