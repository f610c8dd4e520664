"""Where a base's tree can come from, one kind of source per file."""
