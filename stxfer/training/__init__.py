"""Training through ESPnet, the same for ASR, ST, the text-only control, MT and language models.

Who calls whom::

    bin.train         launch.train_systems        a process for each system and seed
    bin.train_system  fit_system.fit_system       one declared system: its data, its marker
                      whisper.tune_whisper        Whisper with its own decoder, by transformers' trainer
    bin.train_mt      mt.train.train_translator   one translator
    bin.train_lm      language_models.train_language_model
                      fit_system.run_training     a killed training is resumed, that of other settings begins anew
                      fit.fit                     one model: phases, averaged result, record
                      initial.write_initial       what a phase starts from: random or transferred parameters
                      encode_once.encode_corpus   a frozen encoder's outputs
                      run_espnet.train_phase      ESPnet's trainer on one phase, in one process or several
                      checkpoint                  what ESPnet leaves: read, mended, averaged, removed
"""
