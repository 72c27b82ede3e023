"""The explorer: a page in the browser that asks questions about networks and photos."""
