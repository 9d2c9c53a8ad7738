"""The space that is used, and what can go: /cleanup/."""
