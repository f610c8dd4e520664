"""`gaoler`: the daemon. Configuration, the socket, start-up."""
