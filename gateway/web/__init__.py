"""HTTP other than GraphQL: Twilio's callbacks, health checks and the console."""
