"""Generated from the protos of the Rooms Gateway. Do not edit."""
