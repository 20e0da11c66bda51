// Shows that events update Apollo's normalised cache without a request. Arguments: the HTTP and
// WebSocket URLs of the gateway, and the URL of the sandbox. Environment: API_KEY; ROOM, the SID of
// a room with the participant ada. Prints what the cache showed, and the requests by HTTP.
import { readFileSync } from "node:fs";
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from "@apollo/client/core";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { buildSchema, isAbstractType, OperationTypeNode } from "graphql";
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [http, ws, sandbox] = process.argv.slice(2);
const { API_KEY: apiKey, ROOM: sid } = process.env;
const read = (path) => readFileSync(new URL(`../../schema/${path}`, import.meta.url), "utf8");
const WATCH = read("operations/watch.graphql");
const WALL = gql(read("operations/wall.graphql"));
const WALL_EVENTS = gql(read("operations/wall_events.graphql"));
const schema = buildSchema(read("schema.graphql"));
// Without it, Apollo drops what fragments on interfaces select.
const possibleTypes = Object.fromEntries(
  Object.values(schema.getTypeMap()).filter(isAbstractType)
    .map((type) => [type.name, schema.getPossibleTypes(type).map(({ name }) => name)]),
);
const ROOM = gql`query ($room: RoomRef!) { room(ref: $room) {
  id status durationSeconds uniqueName maxParticipants
  participants { nodes { id identity status publishedTracks { nodes { id isMuted } } } } } }`;

let requests = 0;
const socket = createClient({ url: ws, webSocketImpl: WebSocket, connectionParams: { apiKey } });
const client = new ApolloClient({
  cache: new InMemoryCache({ possibleTypes }),
  link: ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    new GraphQLWsLink(socket),
    new HttpLink({
      uri: http,
      headers: { "x-api-key": apiKey },
      fetch: (...request) => { requests += 1; return fetch(...request); },
    }),
  ),
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

const query = client.watchQuery({ query: ROOM, variables: { room: { sid } } }).subscribe({
  next: ({ data }) => {
    if (!data?.room) return;
    shown.push(summary(data.room));
    isShown();
  },
});
await waitUntil("IN_PROGRESS CONNECTED false");
const wall = client.watchQuery({ query: WALL }).subscribe({
  next: ({ data }) => {
    if (!data?.rooms) return;
    shown.push(wallSummary(data));
    isShown();
  },
});
const { data: { rooms: { asOf } } } = await client.query({ query: WALL });
const follow = (query, variables) => new Promise((resolve, reject) => {
  const events = client.subscribe({ query, variables }).subscribe({
    next: ({ data, error }) => {
      if (error) reject(error);
      else if (data.roomEvents.__typename === "StreamStarted") resolve(events);
    },
  });
});
const streams = [
  await follow(gql(WATCH), { room: { sid } }), await follow(WALL_EVENTS, { after: asOf }),
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
const room = client.readQuery({ query: ROOM, variables: { room: { sid } } }).room;

console.log(JSON.stringify({ shown, requests, room }));
[query, wall, ...streams].forEach((open) => open.unsubscribe());
client.stop();
await socket.dispose();
