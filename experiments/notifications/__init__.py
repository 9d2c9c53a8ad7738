"""Telling people what they want to know: by e-mail, webhook and in the browser."""
