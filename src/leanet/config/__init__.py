"""Settings, the rules that check them, and the command line."""
