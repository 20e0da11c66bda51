"""The resources of Twilio's REST API, one module each: from request to response."""
