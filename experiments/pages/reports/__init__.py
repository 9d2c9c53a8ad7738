"""The report of a sweep: the file, and links that show it without a login."""
