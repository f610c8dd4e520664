"""The host's facilities, one kernel mechanism per file. Nothing here knows what a machine is."""
