"""The resources of Twilio's documents, one module each: from a call to an answer."""
