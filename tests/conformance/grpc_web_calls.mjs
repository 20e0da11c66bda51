// What the official client of gRPC-Web does, in a browser: it needs XMLHttpRequest.
import { create, createFileRegistry, fromBinary, toBinary } from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import { GrpcWebClientBase, MethodDescriptor, MethodType } from 'grpc-web'

export async function exercise(baseUrl, format, descriptors, apiKey) {
  const files = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptors))
  const service = [...files].find((type) => type.kind === 'service' && type.name === 'RoomService')
  const client = new GrpcWebClientBase({ format })
  const metadata = { authorization: `Bearer ${apiKey}` }

  // Returns the arguments of a call: a generated stub would have them.
  const prepare = (name, fields) => {
    const { methodKind, input, output } = service.methods.find((method) => method.name === name)
    const path = `/${service.typeName}/${name}`
    const kind = methodKind === 'unary' ? MethodType.UNARY : MethodType.SERVER_STREAMING
    const descriptor = new MethodDescriptor(path, kind, Object, Object,
      (message) => toBinary(input, message), (bytes) => fromBinary(output, bytes))
    return [baseUrl + path, create(input, fields), metadata, descriptor]
  }
  const call = (name, fields) => client.unaryCall(...prepare(name, fields))

  const { room: { sid } } = await call('CreateRoom', { uniqueName: `web-${crypto.randomUUID()}` })
  const read = await call('GetRoom', { room: sid })
  // In the binary format, the client shows the messages of a stream at its end.
  const watched = format === 'text' && await new Promise((resolve, reject) => {
    const messages = []
    const stream = client.serverStreaming(...prepare('WatchRoomEvents', { room: sid }))
    stream.on('error', reject)
    stream.on('data', ({ cursor, prev, message }) => {
      messages.push({ kind: message.case, cursor, prev })
      if (messages.length === 1) call('CompleteRoom', { room: sid }).catch(reject)
      if (messages.length === 2) {
        stream.cancel()
        resolve(messages.slice())
      }
    })
  })
  const missing = await call('GetRoom', { room: `RM${'0'.repeat(32)}` }).then(
    () => { throw new Error('the call did not fail') }, ({ code, message }) => ({ code, message }))
  return { sid, read: { sid: read.room.sid }, watched, missing }
}
