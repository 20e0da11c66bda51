"""GraphQL: parses and runs requests, calls the service, and converts results."""
