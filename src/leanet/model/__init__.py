"""Use a trained model: find and load it, predict, choose a threshold, calibrate, export and describe it."""
