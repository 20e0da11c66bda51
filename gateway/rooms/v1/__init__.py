"""Generated from protos/gateway/rooms/v1 by `make proto`."""
