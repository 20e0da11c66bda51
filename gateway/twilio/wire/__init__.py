"""Twilio's REST API on the wire. Does no I/O.

There is one function per operation. It returns a request that also knows how to read
its response. There is one module per kind of resource. What they share is in
`resource`, which is built on `reading` and `exchange`.
"""
