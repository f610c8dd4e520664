"""The administrator's configuration: what it may say, what it grants to whom, and how it is told."""
