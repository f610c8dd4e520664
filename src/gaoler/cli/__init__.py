"""`gaol`: what a person types. The only place where errors become text and exit codes."""
