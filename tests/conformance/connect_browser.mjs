// Calls RoomService from a page of another origin, in Chromium. Arguments: the URL.
// Environment: API_KEY, and DESCRIPTORS, a file with the descriptors of the protos.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const PACKAGES = ['@bufbuild/protobuf', '@connectrpc/connect', '@connectrpc/connect-web']
const folder = fileURLToPath(new URL('.', import.meta.url))
const baseUrl = process.argv[2].replace(/\/$/, '')

// Browsers need to know the file behind every name that a module imports.
const imports = {}
for (const name of PACKAGES) {
  const root = `node_modules/${name}`
  const { exports } = JSON.parse(readFileSync(`${folder}${root}/package.json`))
  for (const [key, target] of Object.entries(exports)) {
    const file = target.import?.default ?? target.import
    if (typeof file === 'string') imports[name + key.slice(1)] = `/${root}/${file.slice(2)}`
  }
}
imports['grpc-web'] = '/node_modules/grpc-web/index.esm.js' // the package has no exports
const html = `<link rel="icon" href="data:,"><script type="importmap">${JSON.stringify({ imports })}</script>`

const site = createServer(({ url }, response) => {
  response.setHeader('Content-Type', url === '/' ? 'text/html' : 'text/javascript')
  response.end(url === '/' ? html : readFileSync(`${folder}${url.slice(1)}`))
})
await new Promise((listening) => site.listen(0, '127.0.0.1', listening))

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  // Runs as root in a container, and makes no requests of its own.
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})
try {
  const page = await browser.newPage()
  await page.goto(`http://127.0.0.1:${site.address().port}/`)
  const descriptors = [...readFileSync(process.env.DESCRIPTORS)]
  const output = await page.evaluate(async ({ baseUrl, descriptors, apiKey }) => {
    const { exercise } = await import('/connect_calls.mjs')
    const web = await import('@connectrpc/connect-web')
    const official = await import('/grpc_web_calls.mjs')
    const bytes = new Uint8Array(descriptors)
    return {
      official: {
        binary: await official.exercise(baseUrl, 'binary', bytes, apiKey),
        text: await official.exercise(baseUrl, 'text', bytes, apiKey),
      },
      Connect: await exercise(
        (more) => web.createConnectTransport({ baseUrl, ...more, useHttpGet: true }), bytes, apiKey),
      'gRPC-Web': await exercise(
        (more) => web.createGrpcWebTransport({ baseUrl, ...more }), bytes, apiKey),
    }
  }, { baseUrl, descriptors, apiKey: process.env.API_KEY })
  console.log(JSON.stringify(output))
} finally {
  await browser.close()
  site.close()
}
