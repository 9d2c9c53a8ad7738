"""Is the installation well? The sign of life, the admins' page, and its numbers."""
