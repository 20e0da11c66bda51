// Runs the lifecycle with Apollo Client: https://www.npmjs.com/package/@apollo/client
// Arguments: the HTTP and the WebSocket URL. Environment: API_KEY. Prints the messages as JSON.
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from "@apollo/client/core";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { lifecycle } from "./lifecycle.mjs";

const [http, ws] = process.argv.slice(2);
const apiKey = process.env.API_KEY;
const socket = createClient({ url: ws, webSocketImpl: WebSocket, connectionParams: { apiKey } });
const client = new ApolloClient({
  cache: new InMemoryCache(),
  link: ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    new GraphQLWsLink(socket),
    new HttpLink({ uri: http, headers: { "x-api-key": apiKey } }),
  ),
});

async function execute(document, variables) {
  const parsed = gql(document);
  const { data } = parsed.definitions[0].operation === "mutation"
    ? await client.mutate({ mutation: parsed, variables })
    : await client.query({ query: parsed, variables });
  return data;
}

async function* subscribe(document, variables) {
  const waiting = [];
  let wake = () => {};
  const subscription = client
    .subscribe({ query: gql(document), variables, fetchPolicy: "no-cache" })
    .subscribe({
      next: (result) => { waiting.push(result); wake(); },
      error: (error) => { waiting.push({ error }); wake(); },
    });
  try {
    for (;;) {
      while (waiting.length > 0) {
        const { data, error } = waiting.shift();
        if (error) throw error;
        yield data;
      }
      await new Promise((resolve) => { wake = resolve; });
    }
  } finally {
    subscription.unsubscribe();
  }
}

console.log(JSON.stringify(await lifecycle({ execute, subscribe })));
client.stop();
await socket.dispose();
