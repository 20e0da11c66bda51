"""The HTTP that is not GraphQL: callbacks, health, the page at /."""
