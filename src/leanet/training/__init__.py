"""Training that can be resumed: batches, epochs, devices and processes."""
