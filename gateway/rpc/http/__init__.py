"""Connect and gRPC-Web: the same methods on the HTTP port.

https://connectrpc.com/docs/protocol and
https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md
"""
