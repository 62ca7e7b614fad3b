"""Runs in W&B: logged during training, or pushed when they are finished."""
