"""Client of the Rooms Gateway over gRPC."""
