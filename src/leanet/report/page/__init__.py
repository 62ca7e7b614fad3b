"""The HTML page of finished runs, in one file."""
