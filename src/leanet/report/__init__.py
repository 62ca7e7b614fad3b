"""What people look at, made from finished runs."""
