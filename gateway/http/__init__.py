"""What both faces on the HTTP port use: origins of web pages, and TCP connections."""
