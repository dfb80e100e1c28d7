"""Everything that an experiment file may say, and where everything that an experiment makes lies."""
