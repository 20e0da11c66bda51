"""`rooms-gateway sandbox`: the simulated Twilio alone."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.startup import (
    LOOPBACK,
    ReadyFile,
    SandboxPort,
    console,
    explain_start_errors,
    stop_on_signals,
    write_ready_file,
)
from gateway.sandbox.accounts import Account
from gateway.sandbox.server import Sandbox


def sandbox(
    sandbox_port: SandboxPort = 8081,
    accounts: Annotated[
        int, typer.Option(min=1, max=100, help="Number of accounts, each with rooms and a quota.")
    ] = 1,
    ready_file: ReadyFile = None,
) -> None:
    """Runs the simulated Twilio alone, on loopback. Point a Twilio client's base URL at
    it."""
    with explain_start_errors(LOOPBACK):
        asyncio.run(_run(sandbox_port, accounts, ready_file))


async def _run(port: int, count: int, ready_file: Path | None) -> None:
    accounts = [Account.generate(number) for number in range(count)]
    async with Sandbox(accounts, host=LOOPBACK, port=port) as running:
        write_ready_file(
            ready_file,
            sandbox=running.url,
            twilio={
                "base_url": running.url,
                "account_sid": running.account_sid,
                "auth_token": running.auth_token,
            },
            accounts=[_settings_row(account) for account in accounts],
        )
        console.print(f"Simulated Twilio Video: {running.url}")
        for account in accounts:
            console.print(f"Account {account.sid}  auth token {account.auth_token}", soft_wrap=True)
        await stop_on_signals().wait()


def _settings_row(account: Account) -> dict[str, str]:
    """Returns the account as a row of GATEWAY_ACCOUNTS_FILE."""
    [(key_sid, secret)] = account.api_keys.items()
    return {
        "sid": account.sid,
        "auth_token": account.auth_token,
        "api_key_sid": key_sid,
        "api_key_secret": secret,
    }
