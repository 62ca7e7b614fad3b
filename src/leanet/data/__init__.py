"""Images: reading files, datasets, and cross-validation folds."""
