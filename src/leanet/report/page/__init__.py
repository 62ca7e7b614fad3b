"""The page: everything about the finished runs in one HTML file."""
