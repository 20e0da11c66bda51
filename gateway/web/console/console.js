// The console: rooms and their events, with the user's API key. The key stays in the memory of
// this tab.

const WATCH = `subscription($after: String) { roomEvents(after: $after) {
  __typename cursor prev
  ... on ResyncRequired { reason }
  ... on RoomEvent { type eventTime isLate room { uniqueName } }
  ... on ParticipantConnected { participant { identity } }
  ... on ParticipantDisconnected { participant { identity } }
} }`
const ROOMS = `{ rooms(first: 50) { nodes { sid uniqueName type createTime } } }`
const CREATE = `mutation($input: CreateRoomInput!) { createRoom(input: $input) {
  errors { message } } }`
const COMPLETE = `mutation($input: CompleteRoomInput!) { completeRoom(input: $input) {
  errors { message } } }`
const MAX_EVENTS = 200
const RETRY_MS = 1000

const element = (id) => document.getElementById(id)
let key = null
let last = null // the cursor to resume from
let expected = null // what the next event's `prev` must be

async function post(query, variables, accept = 'application/graphql-response+json') {
  return fetch('/graphql', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: accept, Authorization: `Bearer ${key}` },
    body: JSON.stringify({ query, variables }),
  })
}

async function execute(query, variables) {
  const body = await (await post(query, variables)).json()
  // What a caller should expect of a mutation is in its payload.
  const outcomes = Object.values(body.data ?? {}).flatMap((payload) => payload?.errors ?? [])
  element('problem').textContent = [...(body.errors ?? []), ...outcomes][0]?.message ?? ''
  return body.data
}

function cell(row, text) {
  row.insertCell().textContent = text ?? ''
}

async function showRooms() {
  const data = await execute(ROOMS)
  if (!data) return
  element('rooms').replaceChildren(
    ...data.rooms.nodes.map((room) => {
      const row = document.createElement('tr')
      cell(row, room.uniqueName)
      cell(row, room.sid)
      cell(row, room.type)
      cell(row, room.createTime && new Date(room.createTime).toLocaleTimeString())
      const end = document.createElement('button')
      end.textContent = 'End'
      end.onclick = () => execute(COMPLETE, { input: { room: { sid: room.sid } } })
      row.insertCell().append(end)
      return row
    }),
  )
}

function showEvent(message) {
  const item = document.createElement('li')
  const identity = message.participant?.identity
  item.textContent = [message.type ?? message.__typename, message.room?.uniqueName, identity, message.isLate ? 'late' : null, message.reason]
    .filter(Boolean)
    .join(' · ')
  element('events').prepend(item)
  while (element('events').children.length > MAX_EVENTS) element('events').lastChild.remove()
}

function receive(message) {
  last = message.cursor
  if (message.__typename === 'Bookmark') return
  if (message.prev != null && expected != null && message.prev !== expected) {
    element('chain').textContent = 'An event is missing: the chain of cursors is broken.'
    element('chain').className = 'broken'
  }
  expected = message.cursor
  showEvent(message)
  if (message.type?.startsWith('ROOM_') || message.__typename === 'ResyncRequired') showRooms()
}

async function* events(body) {
  let text = ''
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    text += chunk
    const parts = text.split('\n\n')
    text = parts.pop()
    for (const part of parts) {
      const data = part.split('\n').find((line) => line.startsWith('data: '))
      if (part.includes('event: next') && data) yield JSON.parse(data.slice(6))
    }
  }
}

async function watch() {
  for (;;) {
    try {
      const reply = await post(WATCH, { after: last }, 'text/event-stream')
      if (reply.status === 401 || reply.status === 403) {
        element('state').textContent = 'The gateway rejected this API key.'
        return
      }
      element('state').textContent = 'Live.'
      for await (const result of events(reply.body)) if (result.data) receive(result.data.roomEvents)
    } catch (error) {
      console.warn(error)
    }
    element('state').textContent = 'Interrupted. Resuming after the last cursor.'
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }
}

element('login').onsubmit = (event) => {
  event.preventDefault()
  if (key !== null) return
  key = element('key').value.trim()
  showRooms()
  watch()
}

element('create').onsubmit = async (event) => {
  event.preventDefault()
  await execute(CREATE, { input: element('name').value ? { uniqueName: element('name').value } : {} })
}
