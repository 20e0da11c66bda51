// What every client of Connect and gRPC-Web does, in Node and in a browser.
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import { Code, ConnectError, createClient } from '@connectrpc/connect'

export async function exercise(createTransport, descriptors, apiKey) {
  const files = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptors))
  const service = [...files].find((type) => type.kind === 'service' && type.name === 'RoomService')
  const authorize = (next) => (request) => {
    request.header.set('authorization', `Bearer ${apiKey}`)
    return next(request)
  }
  const rooms = createClient(service, createTransport({ interceptors: [authorize] }))
  const name = `connect-${crypto.randomUUID()}`

  let cost
  const onHeader = (headers) => { cost ??= headers.get('cost') }
  const onTrailer = (trailers) => { cost ??= trailers.get('cost') }
  const created = await rooms.createRoom({ uniqueName: name }, { onHeader, onTrailer })
  const { sid } = created.room
  const read = await rooms.getRoom({ room: sid })

  const watched = []
  for await (const { cursor, prev, message } of rooms.watchRoomEvents({ room: sid })) {
    watched.push({ kind: message.case, cursor, prev })
    if (message.case === 'started') await rooms.completeRoom({ room: sid })
    else break
  }
  const resumed = []
  for await (const { prev, message } of rooms.watchRoomEvents({ room: sid, after: watched[0].cursor })) {
    resumed.push({ kind: message.case, prev })
    if (resumed.length === 2) break
  }

  const aborted = new AbortController()
  return {
    sid,
    read: { sid: read.room.sid, name: read.room.uniqueName },
    cost,
    watched,
    resumed,
    missing: await failure(rooms.getRoom({ room: `RM${'0'.repeat(32)}` })),
    invalid: await failure(rooms.listRooms({ pageSize: -1 })),
    unauthenticated: await failure(
      createClient(service, createTransport({})).getRoom({ room: sid })),
    late: await failure(first(rooms.watchRoom({ room: sid }, { timeoutMs: 100 }))),
    aborted: await failure(first(rooms.watchRoom({ room: sid }, { signal: aborted.signal }),
      () => aborted.abort())),
  }
}

// Reads a stream to its end, and calls `then` after each message.
async function first(stream, then = () => {}) {
  for await (const _ of stream) then()
}

async function failure(call) {
  try {
    await call
  } catch (error) {
    const { code, rawMessage, details } = ConnectError.from(error)
    return {
      code: Code[code],
      message: rawMessage,
      details: details.map(({ type, value }) => ({ type, text: new TextDecoder().decode(value) })),
    }
  }
  throw new Error('the call did not fail')
}
