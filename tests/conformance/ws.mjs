// Runs the lifecycle with graphql-ws: https://www.npmjs.com/package/graphql-ws
// Arguments: the URL. Environment: API_KEY. Prints the messages as JSON.
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { lifecycle } from "./lifecycle.mjs";

const client = createClient({
  url: process.argv[2],
  webSocketImpl: WebSocket,
  connectionParams: { apiKey: process.env.API_KEY },
  retryAttempts: 0,
});

async function* subscribe(query, variables) {
  for await (const { data, errors } of client.iterate({ query, variables })) {
    if (errors) throw new Error(JSON.stringify(errors));
    yield data;
  }
}

async function execute(query, variables) {
  for await (const data of subscribe(query, variables)) return data;
}

console.log(JSON.stringify(await lifecycle({ execute, subscribe })));
await client.dispose();
