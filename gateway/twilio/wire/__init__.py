"""Twilio's REST API on the wire: each operation as a function that makes a request, which knows how to read its answer.

Does no I/O. One module a resource; what they share is in `resource`, which rests on `reading` and `exchange`.
"""
