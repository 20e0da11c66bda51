"""Generated from protos/rooms_gateway/v1 by `make proto`: the server's copy of the stubs."""
