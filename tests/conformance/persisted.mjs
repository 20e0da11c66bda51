// Runs a query twice through Apollo Client's link for persisted queries.
// Arguments: the HTTP URL. Environment: API_KEY. Prints what was sent and read as JSON.
import { createHash } from "node:crypto";
import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client/core";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";

const [uri] = process.argv.slice(2);
const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const sent = [];
const http = new HttpLink({
  uri,
  headers: { "x-api-key": process.env.API_KEY },
  fetch: (url, options) => {
    const { query, extensions } = JSON.parse(options.body);
    sent.push({ query: Boolean(query), digest: Boolean(extensions?.persistedQuery) });
    return fetch(url, options);
  },
});
const client = new ApolloClient({
  cache: new InMemoryCache(),
  link: new PersistedQueryLink({ sha256 }).concat(http),
});
const read = [];
for (let n = 0; n < 2; n += 1) {
  const { data } = await client.query({
    query: gql(`query Version${process.pid} { gateway { version } }`),
    fetchPolicy: "network-only",
  });
  read.push(data.gateway.version);
}
console.log(JSON.stringify({ sent, read }));
client.stop();
