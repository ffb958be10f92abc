"""Live events for browsers and programs: WebSocket and server-sent events."""
