"""The GraphQL face: unpack, ask the service, convert."""
