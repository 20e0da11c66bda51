// Runs the GraphQL over HTTP audits: https://www.npmjs.com/package/graphql-http
// Arguments: the URL. Environment: API_KEY. Prints all results as JSON.
import { serverAudits } from "graphql-http";

const authorization = `Bearer ${process.env.API_KEY}`;
const fetchFn = (url, init = {}) =>
  fetch(url, { ...init, headers: { ...init.headers, authorization } });

const results = [];
for (const audit of serverAudits({ url: process.argv[2], fetchFn })) {
  const { id, name, status, reason } = await audit.fn();
  results.push({ id, name, status, reason });
}
console.log(JSON.stringify(results));
