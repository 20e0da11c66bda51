// The schema under all of graphql-eslint's rules for schemas, and those for Relay. A rule is off
// or has options only with its reason. https://the-guild.dev/graphql/eslint/rules
import graphql from "@graphql-eslint/eslint-plugin";

const { "flat/schema-all": all, "flat/schema-relay": relay } = graphql.configs;

export default [
  {
    files: ["**/*.graphql"],
    languageOptions: {
      parser: graphql.parser,
      parserOptions: {
        graphQLConfig: { schema: new URL("../../schema/schema.graphql", import.meta.url).pathname },
      },
    },
    plugins: { "@graphql-eslint": graphql },
    rules: {
      ...all.rules,
      ...relay.rules,
      // Types and fields stand in the order of their meaning, as in Twilio's reference.
      "@graphql-eslint/alphabetize": "off",
      // Mutations and subscriptions are what the gateway is for.
      "@graphql-eslint/no-root-type": "off",
      // Twilio has named no date after which its legacy room types stop working.
      "@graphql-eslint/require-deprecation-date": "off",
      // A payload shows what changed. A client that reads more sends a query.
      "@graphql-eslint/require-field-of-type-query-in-mutation-result": "off",
      // Every element has a description, not only types and root fields.
      "@graphql-eslint/require-description": ["error", {
        types: true,
        rootField: true,
        FieldDefinition: true,
        InputValueDefinition: true,
        EnumValueDefinition: true,
        DirectiveDefinition: true,
      }],
      // Values without an identity: a cache stores them inside the object that has them.
      "@graphql-eslint/strict-id-in-types": ["error", {
        exceptions: {
          types: [
            "AccessToken", "Bookmark", "Freshness", "Gap", "GroupingSids", "IdempotencyKeyReused",
            "InvalidInput", "NameTaken", "OutcomeUnknown", "ParticipantAlreadyLeft",
            "PreconditionFailed", "RecordingMedia", "RequestClassQuota",
            "ResyncRequired", "RoomAlreadyEnded", "StreamStarted", "TokenExplanation", "TokenFacts",
            "TrackRule", "TranscriptionsConfiguration", "UnknownWord",
          ],
          suffixes: [
            "Connection", "Edge", "Info", "Links", "NotFound", "Payload", "TwilioDetails",
          ],
        },
      }],
      // Pages go forward only, as Twilio's lists do.
      "@graphql-eslint/relay-arguments": ["error", { includeBoth: false }],
      // A connection has `nodes` too, for clients that need no cursor per node.
      "@graphql-eslint/relay-edge-types": ["error", { listTypeCanWrapOnlyEdgeType: false }],
    },
  },
];
