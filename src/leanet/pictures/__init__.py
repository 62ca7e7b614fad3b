"""Drawing of sheets and maps."""
