"""Scores of decoded sets: error rates, translation scores, and whether a difference is real."""
