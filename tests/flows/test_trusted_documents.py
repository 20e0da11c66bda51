"""Trusted documents by GET, as browsers send them.

The response can be cached while it is fresh, and is revalidated by its ETag afterwards.
"""

import hashlib
import json
import time
from pathlib import Path

from tests.running import Gateway

ROOM = Path(__file__).parents[2] / "schema/operations/room.graphql"


async def test_response_to_get_is_revalidated_by_etag_until_the_room_changes(
    gateway: Gateway,
) -> None:
    room = await gateway.create_room_at_twilio()
    params = {
        "documentId": "sha256:" + hashlib.sha256(ROOM.read_bytes()).hexdigest(),
        "variables": json.dumps({"ref": {"sid": room["sid"]}}),
    }

    async def get(**headers: str) -> tuple[int, str, str, bytes]:
        all_headers = gateway.auth | headers
        async with gateway.http.get(
            gateway.ready["graphql"], params=params, headers=all_headers
        ) as reply:
            return (
                reply.status,
                reply.headers["Cache-Control"],
                reply.headers["ETag"],
                await reply.read(),
            )

    started_at = time.monotonic()
    status, control, etag, body = await get()
    elapsed_s = time.monotonic() - started_at
    assert (status, json.loads(body)["data"]["room"]["status"]) == (200, "IN_PROGRESS")
    assert 3 - elapsed_s <= int(control.removeprefix("private, max-age=")) <= 4
    assert (await get(**{"If-None-Match": etag}))[0::3] == (304, b"")
    await gateway.execute(
        "mutation($r: ID!) { completeRoom(input: {room: {sid: $r}}) { room { sid } } }",
        r=room["sid"],
    )
    status, _, _, body = await get(**{"If-None-Match": etag})
    assert (status, json.loads(body)["data"]["room"]["status"]) == (200, "COMPLETED")
