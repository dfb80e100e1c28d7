"""The shared encoder-decoder: its families, how it is built, opened, exported, and started from another one.

ESPnet's classes come from :mod:`stxfer.model.espnet`, what is changed in them from
:mod:`stxfer.model.espnet_patches`. How a model is trained stands in :mod:`stxfer.training`.
"""
