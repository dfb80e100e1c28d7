"""Trained systems hear audio that no stage has prepared: files of any length to text with times."""
