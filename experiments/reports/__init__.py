"""A sweep as one HTML file, and links that show it without a login."""
