"""One trial: how it went and why it ended."""
