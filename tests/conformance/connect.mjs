// Calls RoomService with the clients of Connect and gRPC-Web, in Node. Arguments: the URL.
// Environment: API_KEY, and DESCRIPTORS, a file with the descriptors of the protos.
import { readFileSync } from 'node:fs'
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-node'
import * as web from '@connectrpc/connect-web'
import { exercise } from './connect_calls.mjs'

const baseUrl = process.argv[2].replace(/\/$/, '')
const descriptors = readFileSync(process.env.DESCRIPTORS)
const common = { baseUrl, httpVersion: '1.1' }

const transports = {
  'connect-node, Connect, binary': (more) => createConnectTransport({ ...common, ...more }),
  'connect-node, Connect, JSON and GET': (more) =>
    createConnectTransport({ ...common, ...more, useBinaryFormat: false, useHttpGet: true }),
  'connect-node, gRPC-Web, binary': (more) => createGrpcWebTransport({ ...common, ...more }),
  'connect-node, gRPC-Web, JSON': (more) =>
    createGrpcWebTransport({ ...common, ...more, useBinaryFormat: false }),
  'connect-web, Connect, JSON': (more) => web.createConnectTransport({ baseUrl, ...more }),
  'connect-web, Connect, binary and GET': (more) =>
    web.createConnectTransport({ baseUrl, ...more, useBinaryFormat: true, useHttpGet: true }),
  'connect-web, gRPC-Web, binary': (more) => web.createGrpcWebTransport({ baseUrl, ...more }),
}

const output = {}
for (const [name, create] of Object.entries(transports)) {
  output[name] = await exercise(create, descriptors, process.env.API_KEY)
}
console.log(JSON.stringify(output))
process.exit()
