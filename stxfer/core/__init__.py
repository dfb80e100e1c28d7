"""What every package stands on: errors, files, stages, processes, progress."""
