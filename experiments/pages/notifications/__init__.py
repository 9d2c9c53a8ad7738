"""What a person is told, and where: the list, the settings, webhooks and their log."""
