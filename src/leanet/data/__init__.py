"""From image files to batches: reading, folds, and batches on the device."""
