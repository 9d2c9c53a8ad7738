"""Login, logout, password and profile."""
