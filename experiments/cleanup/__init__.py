"""The space that teams use, quotas, and what goes to the trash and is deleted."""
