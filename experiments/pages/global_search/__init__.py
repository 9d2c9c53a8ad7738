"""Global search: what people find and do from every page."""
