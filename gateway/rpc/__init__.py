"""The gRPC face: decodes requests, calls the service, encodes responses."""
