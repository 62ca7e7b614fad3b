"""Tables, figures, statistics, the HTML page and W&B, made from finished runs.

results.py reads all finished folds into one table, and cells.py groups its rows. Everything else shows a part of it.
"""
