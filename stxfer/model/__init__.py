"""The shared encoder-decoder, its training through ESPnet, and parameter transfer.

This package alone knows ESPnet's classes.
"""
