"""Pictures of text and images."""
