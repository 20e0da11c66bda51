// Generates TypeScript from the schema and its operations, as a frontend does. Writes to the folder
// that is the argument: schema.ts and operations.ts. https://the-guild.dev/graphql/codegen
import { generate } from "@graphql-codegen/cli";

const [folder] = process.argv.slice(2);
const root = new URL("../../", import.meta.url).pathname;
const config = {
  strictScalars: true,
  scalars: { DateTime: "string", BigInt: "number", JSON: "unknown", Duration: "string" },
  enumsAsTypes: true,
  useTypeImports: true,
};
await generate({
  schema: `${root}schema/schema.graphql`,
  documents: `${root}schema/operations/*.graphql`,
  silent: true,
  config,
  generates: {
    [`${folder}/schema.ts`]: { plugins: ["typescript"] },
    [`${folder}/operations.ts`]: { plugins: ["typescript-operations", "typed-document-node"] },
  },
}, true);
