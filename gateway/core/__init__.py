"""What is true whatever the transport: values, errors, cursors, the cache policy. Pure: no await, no clock, no third party."""
