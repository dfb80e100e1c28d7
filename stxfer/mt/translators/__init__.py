"""The kinds of translators, a module each, behind the protocol of :mod:`stxfer.mt.translator`.

To add a kind, ``glossary`` say:

1. *Options.* Add a class ``Glossary`` to :mod:`stxfer.experiment.translators`, where an experiment file's
   ``translator: glossary`` is read: each field is a key of the label source, documented there.
2. *The kind.* Copy the shortest one, :mod:`stxfer.mt.translators.precomputed`, to
   ``stxfer/mt/translators/glossary.py``. It has a translator with ``identity``, ``translate`` and ``close``
   (:class:`stxfer.mt.translator.Translator`; :class:`~stxfer.mt.translator.Closing` for one that starts nothing), and a
   ``GlossaryKind`` (:class:`stxfer.mt.translators.kind.Kind`) that tells, without opening the translator, which files
   it reads, and opens it. ``translate`` looks at the sentences with :func:`stxfer.mt.translator.checked`. What takes
   long to import (torch, a toolkit) is imported where it is used: all kinds are imported to look at one.
3. *The registry.* Add ``"glossary": GlossaryKind()`` to ``KINDS`` in :mod:`stxfer.mt.open`.
4. *The test.* Write ``tests/test_glossary.py`` after ``tests/test_transliterate.py``: the order of results, an empty
   sentence, one that is none, a file that is absent or malformed. ``tests/test_translators.py``, which holds for
   every kind, has to pass.

Two modules are no kinds: :mod:`~stxfer.mt.translators.families` and :mod:`~stxfer.mt.translators.convert` are what
:mod:`~stxfer.mt.translators.ctranslate2` knows of pretrained models.
"""
