"""The state of the installation: measured, and judged."""
