"""The audit log: choosing, exporting, keeping and forwarding its events."""
