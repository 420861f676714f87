"""Pages for the office and the depot: rendered by the server, they work without scripts."""
