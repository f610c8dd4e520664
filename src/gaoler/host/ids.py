"""How many ids there are for programs that have a user namespace of their own."""

IDS = 65536
"""0 to 65535: more than a distribution gives to anybody, and what 16 bits of an old file system could hold."""
