"""One Twilio account in the settings, and the file that describes several accounts."""

import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, HttpUrl, SecretStr, ValidationError, field_validator, model_validator

from gateway.settings.messages import describe, faults, field_path
from gateway.settings.values import Credential, CredentialSid, Text, Values, matching

Sid = Annotated[str, matching(r"AC[0-9a-fA-F]{32}", "an Account SID: AC and 32 hex digits")]
ScopeWord = Literal["rooms:read", "rooms:write", "events:subscribe", "tokens:mint", "admin"]
QuotaPerSecond = Annotated[int, Field(ge=2)]
Limit = Annotated[int, Field(ge=100, le=1_000_000_000)]

# Requests per second that Twilio grants an account.
# https://www.twilio.com/docs/video/programmable-video-limits
READ_QUOTA: Final = 80
WRITE_QUOTA: Final = 20
# One account may take 60 MB of memory: its recent events and its cached responses.
MAX_ACCOUNTS: Final = 100


class ApiKeySettings(Values):
    """One row of GATEWAY_API_KEYS."""

    id: Annotated[str, Field(min_length=1, max_length=64)]
    """Name of the key in logs. Rows of one account with the same id share one points
    limit, so a key can be rotated with two rows."""
    sha256: Annotated[str, matching(r"[0-9a-f]{64}", "64 hex digits in lower case")]
    """SHA-256 digest of the key, in hex. The key itself is not stored."""
    scopes: tuple[ScopeWord, ...] = ("rooms:read", "events:subscribe")
    """What the key may do."""
    rooms: tuple[Text, ...] | None = None
    """SIDs and names of the rooms that the key may access. Unset: all rooms of the
    account."""
    limit: Limit | None = None
    """Points per minute. Unset: 1,500,000."""


Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "[::1]", "localhost"})


class JwtIssuerSettings(Values):
    """One row of GATEWAY_JWT_ISSUERS: an issuer whose JSON Web Tokens are accepted."""

    issuer: Annotated[str, Field(min_length=1, max_length=255)]
    """Value of the token's `iss` claim."""
    audience: Annotated[str, Field(min_length=1, max_length=255)]
    """Value of the token's `aud` claim."""
    jwks_url: HttpUrl
    """Where the issuer publishes its keys: an https URL, or http on loopback."""
    algorithm: Algorithm = "RS256"
    """Signature algorithm. The token's header cannot choose another one."""
    scopes: tuple[ScopeWord, ...] = ("rooms:read", "events:subscribe")
    """The most that a token of this issuer may do."""
    limit: Limit | None = None
    """Points per minute for each subject. Unset: 1,500,000."""

    @field_validator("jwks_url")
    @classmethod
    def _check_scheme(cls, url: HttpUrl) -> HttpUrl:
        if url.scheme != "https" and url.host not in _LOOPBACK:
            raise ValueError(
                "must be an https URL: over http, an attacker could replace the issuer's keys"
            )
        return url


class AccountSettings(Values):
    """One Twilio account: from the environment, or one row of GATEWAY_ACCOUNTS_FILE."""

    sid: Sid
    """Account SID."""
    auth_token: Credential
    """Verifies callbacks. Also the REST password unless an API key is given."""
    secondary_auth_token: Credential | None = None
    """Second auth token that callbacks may be signed with, during a rotation."""
    api_key_sid: CredentialSid | None = None
    """SID of the API key for REST and for signing access tokens."""
    api_key_secret: Credential | None = None
    """Secret of that API key."""
    secret: SecretStr | None = None
    """Authenticates cursors. Unset: GATEWAY_SECRET, else the auth token; cursors then
    become invalid when the auth token changes."""
    previous_secret: SecretStr | None = None
    """Cursors made with this secret stay valid, during a rotation."""
    read_quota: QuotaPerSecond = READ_QUOTA
    """Reads per second that Twilio grants the account."""
    write_quota: QuotaPerSecond = WRITE_QUOTA
    """Writes per second that Twilio grants the account."""
    api_keys: tuple[ApiKeySettings, ...] = ()
    """API keys for this account."""
    jwt_issuers: tuple[JwtIssuerSettings, ...] = ()
    """Issuers whose tokens are accepted for this account."""

    @model_validator(mode="after")
    def _check_api_key(self) -> Self:
        if (self.api_key_sid is None) != (self.api_key_secret is None):
            raise ValueError("set both api_key_sid and api_key_secret, or neither")
        return self

    @property
    def rest_credentials(self) -> tuple[str, str]:
        """User name and password for Twilio's REST API."""
        if self.api_key_sid is not None and self.api_key_secret is not None:
            return self.api_key_sid, self.api_key_secret.get_secret_value()
        return self.sid, self.auth_token.get_secret_value()

    @property
    def auth_tokens(self) -> tuple[str, ...]:
        """Every token that callbacks may be signed with."""
        tokens = (self.auth_token, self.secondary_auth_token)
        return tuple(token.get_secret_value() for token in tokens if token is not None)

    @property
    def cursor_secrets(self) -> tuple[str, ...]:
        """The secret for new cursors, then the secrets that only open older ones."""
        secrets = (self.secret or self.auth_token, self.previous_secret)
        return tuple(secret.get_secret_value() for secret in secrets if secret is not None)


class _AccountsFile(Values):
    accounts: Annotated[tuple[AccountSettings, ...], Field(min_length=1, max_length=MAX_ACCOUNTS)]


def read_accounts(path: Path) -> tuple[AccountSettings, ...]:
    """Returns the accounts in the file. Raises ValueError.

    The error names the file and the field, and quotes no value: the file holds secrets.
    """
    try:
        accounts = _AccountsFile.model_validate(_parse(path)).accounts
    except ValidationError as exc:
        texts = (
            ": ".join(filter(None, (field_path(error["loc"]), describe(error))))
            for error in faults(exc)
        )
        raise ValueError(f"{path}: {'; '.join(texts)}") from None
    _check_unique(path, "account", [account.sid for account in accounts])
    check_credentials(accounts, keys_in=path, issuers_in=path)
    return accounts


def check_credentials(
    accounts: Sequence[AccountSettings], *, keys_in: Path | str, issuers_in: Path | str
) -> None:
    """Raises ValueError when two rows describe one credential.

    The gateway could not tell which of the two rows counts. `keys_in` and `issuers_in`
    name the file or variable in the error.
    """
    digests = (key.sha256 for account in accounts for key in account.api_keys)
    _check_unique(keys_in, "API key", digests)
    issuers = (
        f"{row.issuer} for {row.audience}" for account in accounts for row in account.jwt_issuers
    )
    _check_unique(issuers_in, "issuer and audience", issuers)


def _check_unique(where: Path | str, kind: str, values: Iterable[str]) -> None:
    repeated = [value for value, count in Counter(values).items() if count > 1]
    if repeated:
        raise ValueError(f"{where} lists {kind} {repeated[0]} more than once: keep one row")


def _parse(path: Path) -> Any:
    try:
        # Editors on Windows write a byte order mark first. It is no part of the text.
        text = path.read_text(encoding="utf-8-sig")
        return tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as exc:
        raise ValueError(f"cannot read {path}: {exc.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8") from None
    except tomllib.TOMLDecodeError as exc:
        raise ValueError(f"{path} is not TOML: {exc}") from None
    except json.JSONDecodeError as exc:
        raise ValueError(
            f"{path} is not JSON: error in line {exc.lineno}, column {exc.colno}"
        ) from None
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply") from None
