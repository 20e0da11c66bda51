"""An async gateway that puts GraphQL and gRPC in front of Twilio Video Rooms."""
