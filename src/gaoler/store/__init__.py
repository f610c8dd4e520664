"""The store: where everything lies in it, and what it may be called."""
