// Shows that events update urql's normalised cache, graphcache, without a request. Arguments: the
// HTTP and WebSocket URLs of the gateway, and the URL of the sandbox. Environment: API_KEY; ROOM,
// the SID of a room with the participant ada. Prints what the cache showed, and the requests by
// HTTP. https://nearform.com/open-source/urql/docs/graphcache/
import { readFileSync } from "node:fs";
import { Client, fetchExchange, subscriptionExchange } from "@urql/core";
import { cacheExchange } from "@urql/exchange-graphcache";
import { buildSchema, introspectionFromSchema } from "graphql";
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [http, ws, sandbox] = process.argv.slice(2);
const { API_KEY: apiKey, ROOM: sid } = process.env;
const read = (path) => readFileSync(new URL(`../../schema/${path}`, import.meta.url), "utf8");
const schema = buildSchema(read("schema.graphql"));
const ROOM = `query ($room: RoomRef!) { room(ref: $room) {
  id status durationSeconds uniqueName maxParticipants
  participants { nodes { id identity status publishedTracks { nodes { id isMuted } } } } } }`;
const variables = { room: { sid } };
const WALL = read("operations/wall.graphql");
const WALL_EVENTS = read("operations/wall_events.graphql");

// What has no id is part of the object that has it, such as a page of a list.
const keys = Object.fromEntries(
  Object.values(schema.getTypeMap())
    .filter((type) => type.getFields && !type.getFields().id)
    .map((type) => [type.name, () => null]),
);
let requests = 0;
const socket = createClient({ url: ws, webSocketImpl: WebSocket, connectionParams: { apiKey } });
const client = new Client({
  url: http,
  preferGetMethod: false,
  fetch: (...request) => { requests += 1; return fetch(...request); },
  fetchOptions: { headers: { "x-api-key": apiKey } },
  exchanges: [
    // With the schema, graphcache knows which types a fragment on an interface selects.
    cacheExchange({ schema: introspectionFromSchema(schema), keys }),
    subscriptionExchange({
      forwardSubscription: (request) => ({
        subscribe: (sink) => ({ unsubscribe: socket.subscribe(request, sink) }),
      }),
    }),
    fetchExchange,
  ],
});

// What the cached query shows, in one line.
const shown = [];
const summary = ({ status, participants: { nodes: [ada] } }) =>
  [status, ada.status, ada.publishedTracks.nodes.map(({ isMuted }) => isMuted)].flat().join(" ");
// The room on the wall, in one line: how many are in it, and who of them is muted.
const wallSummary = ({ rooms: { nodes } }) => {
  const { participantCount, presence } = nodes.find((room) => room.sid === sid);
  const people = presence.participants.map(({ isMuted, participant, tracks }) =>
    `${participant.identity} ${isMuted} ${tracks.map((track) => track.isMuted)}`);
  return [`wall ${participantCount} of ${presence.participantCount}`, ...people].join(" ");
};
let isShown = () => {};
const waitUntil = (line) => new Promise((resolve) => {
  isShown = () => shown.includes(line) && resolve();
  isShown();
});

let room;
const query = client.query(ROOM, variables).subscribe(({ data, error }) => {
  if (error) throw error;
  room = data.room;
  shown.push(summary(room));
  isShown();
});
await waitUntil("IN_PROGRESS CONNECTED false");
let wall;
const asOf = await new Promise((resolve, reject) => {
  wall = client.query(WALL, {}).subscribe(({ data, error }) => {
    if (error) return reject(error);
    shown.push(wallSummary(data));
    isShown();
    resolve(data.rooms.asOf);
  });
});
const follow = (document, values) => new Promise((resolve, reject) => {
  const events = client.subscription(document, values).subscribe(({ data, error }) => {
    if (error) reject(error);
    else if (data.roomEvents.__typename === "StreamStarted") resolve(events);
  });
});
const streams = [
  await follow(read("operations/watch.graphql"), variables),
  await follow(WALL_EVENTS, { after: asOf }),
];
await waitUntil("wall 1 of 1 ada false false");

const control = (method, path, body) => fetch(`${sandbox}/_sandbox/rooms/${sid}/participants${path}`, {
  method,
  headers: { "content-type": "application/json" },
  body: body && JSON.stringify(body),
});
await control("POST", "/ada/tracks/audio", { enabled: false });
await waitUntil("IN_PROGRESS CONNECTED true");
await waitUntil("wall 1 of 1 ada true true");
await control("DELETE", "/ada");
await waitUntil("IN_PROGRESS DISCONNECTED true");
await waitUntil("wall 0 of 0");

console.log(JSON.stringify({ shown, requests, room }));
[query, wall, ...streams].forEach((open) => open.unsubscribe());
await socket.dispose();
