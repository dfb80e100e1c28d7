"""The kinds of translators, a module each, behind the protocol of :mod:`stxfer.mt.translator`."""
