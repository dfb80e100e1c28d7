#!/usr/bin/env bash
# Stage 1 of mboshi_fr: Mboshi speech, its translations as parallel text, real French speech, and synthetic French that
# reads the translations.
# shellcheck disable=SC2154  # 'option NAME DEFAULT' assigns the options
# shellcheck source=egs2/TEMPLATE/asr1/data.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"/../../../TEMPLATE/asr1/data.sh

need "--mboshi-fr (or MBOSHI_FR)" "$mboshi_fr"
need "--source-corpus (or FRENCH_SPEECH)" "$source_corpus"

# The corpus's own development set is tested on; another one is taken from its training set, by sentences of either
# language, for there are three speakers.
mboshi=(--columns "audio=path text=sentence speaker=client_id text.fr.human=sentence_fr" --audio-dir "$mboshi_fr"/clips
    --nj "$nj" --out "$data")
stxfer prepare_manifest --manifest "$mboshi_fr"/train.tsv --set tgt_train --hold-out tgt_dev --hold-out-share 0.08 \
    --apart "text text.fr.human" "${mboshi[@]}"
stxfer prepare_manifest --manifest "$mboshi_fr"/dev.tsv --set tgt_test "${mboshi[@]}"
stxfer bitext_of_sets --data "$data" --source-lang fr --target-lang mdw --out "$data"/whole/bitext

stxfer prepare_common_voice --corpus "$source_corpus" --prefix src --test-from dev --nj "$nj" --out "$data"
stxfer speak_bitext --config "$config" --bitext "$data"/whole/bitext --prefix src_tts --out "$data" --nj "$nj"
