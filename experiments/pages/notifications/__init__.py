"""Notifications: the list, the settings, webhooks and their log."""
