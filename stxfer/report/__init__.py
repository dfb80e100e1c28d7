"""The comparison of the systems: tables, a figure and the JSON that tools read."""
