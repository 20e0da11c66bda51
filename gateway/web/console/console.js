// The console: rooms and their events, with the API key that the reader brings. The key stays in this tab's memory.

const WATCH = `subscription($after: String) { roomEvents(after: $after) {
  __typename cursor prev
  ... on ResyncRequired { reason }
  ... on RoomEvent { type roomName at late }
  ... on ParticipantConnected { participant { identity } }
  ... on ParticipantDisconnected { participant { identity } }
} }`
const ROOMS = `{ rooms(first: 50) { nodes { sid uniqueName type dateCreated } } }`
const CREATE = `mutation($input: CreateRoomInput!) { createRoom(input: $input) { sid } }`
const COMPLETE = `mutation($ref: ID!) { completeRoom(ref: $ref) { sid } }`
const SHOWN = 200
const RETRY_MS = 1000

const by = (id) => document.getElementById(id)
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

async function ask(query, variables) {
  const body = await (await post(query, variables)).json()
  by('problem').textContent = body.errors ? body.errors[0].message : ''
  return body.data
}

function cell(row, text) {
  row.insertCell().textContent = text ?? ''
}

async function showRooms() {
  const data = await ask(ROOMS)
  if (!data) return
  by('rooms').replaceChildren(
    ...data.rooms.nodes.map((room) => {
      const row = document.createElement('tr')
      cell(row, room.uniqueName)
      cell(row, room.sid)
      cell(row, room.type)
      cell(row, room.dateCreated && new Date(room.dateCreated).toLocaleTimeString())
      const end = document.createElement('button')
      end.textContent = 'End'
      end.onclick = () => ask(COMPLETE, { ref: room.sid })
      row.insertCell().append(end)
      return row
    }),
  )
}

function showEvent(message) {
  const item = document.createElement('li')
  const who = message.participant?.identity
  item.textContent = [message.type ?? message.__typename, message.roomName, who, message.late ? 'late' : null, message.reason]
    .filter(Boolean)
    .join(' · ')
  by('events').prepend(item)
  while (by('events').children.length > SHOWN) by('events').lastChild.remove()
}

function take(message) {
  last = message.cursor
  if (message.__typename === 'Bookmark') return
  if (message.prev != null && expected != null && message.prev !== expected) {
    by('chain').textContent = 'The chain is broken: something was missed.'
    by('chain').className = 'broken'
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
        by('state').textContent = 'This key is not let in.'
        return
      }
      by('state').textContent = 'Live.'
      for await (const result of events(reply.body)) if (result.data) take(result.data.roomEvents)
    } catch (error) {
      console.warn(error)
    }
    by('state').textContent = 'Interrupted; resuming from the last cursor.'
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }
}

by('login').onsubmit = (event) => {
  event.preventDefault()
  if (key !== null) return
  key = by('key').value.trim()
  showRooms()
  watch()
}

by('create').onsubmit = async (event) => {
  event.preventDefault()
  await ask(CREATE, { input: by('name').value ? { uniqueName: by('name').value } : {} })
}
