"""A trained model in use: found, loaded, asked about new images, and described."""
