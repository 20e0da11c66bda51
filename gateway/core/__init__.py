"""Values, errors, cursors, cache lifetimes and limits, the same for every transport.

Pure: no I/O, no clock, no event loop.
"""
