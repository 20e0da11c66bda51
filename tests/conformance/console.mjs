// Drives the console in Chromium with playwright-core. Arguments: the URL. Environment: API_KEY.
import assert from 'node:assert/strict'
import { chromium } from 'playwright-core'

const [url] = process.argv.slice(2)
const name = `console-${Date.now()}`
const LIMIT = { timeout: 15_000 }

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  // Runs as root in a container, and makes no requests of its own.
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})
try {
  const page = await browser.newPage()
  const problems = []
  page.on('pageerror', (error) => problems.push(error.message))
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()))
  await page.goto(url, LIMIT)

  await page.fill('#key', process.env.API_KEY)
  await page.click('#login button')
  await page.getByText('Live.').waitFor(LIMIT)

  await page.fill('#name', name)
  await page.click('#create button')
  const row = page.locator('#rooms tr', { hasText: name })
  await row.waitFor(LIMIT)
  await page.locator('#events li', { hasText: `ROOM_CREATED · ${name}` }).waitFor(LIMIT)

  await row.getByRole('button', { name: 'End' }).click()
  await row.waitFor({ state: 'detached', ...LIMIT })
  await page.locator('#events li', { hasText: `ROOM_ENDED · ${name}` }).waitFor(LIMIT)

  assert.match(await page.textContent('#chain'), /names the one before it/)
  assert.deepEqual(problems, [])
  console.log(JSON.stringify({ events: await page.locator('#events li').count() }))
} finally {
  await browser.close()
}
