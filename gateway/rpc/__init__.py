"""The gRPC face: unpack, ask the service, convert."""
