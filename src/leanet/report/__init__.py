"""What people look at, made from finished runs.

results.py reads them into one table. cells.py groups its rows; everything else shows a part of it.
"""
