"""All that knows Redis.

The keys of an account share a hash tag, so scripts also run on a cluster.
"""
