"""New recipes: a corpus looked at, and the files of a recipe that runs on it."""
