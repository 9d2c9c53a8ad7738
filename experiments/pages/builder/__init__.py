"""The form that makes a sweep, as fields and as YAML."""
