"""What crosses the socket: Varlink's framing, the messages, and their interface description."""
