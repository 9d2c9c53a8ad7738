"""The Charts tab of a sweep."""
