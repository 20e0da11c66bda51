"""The gRPC package gateway.rooms, generated from protos/ by `make proto`."""
