# shellcheck shell=bash
# What run.sh and data.sh of a recipe of this family both declare; $target is the code of the language. Sets $family,
# $name, $folder, $pair and $nllb, what the language is called here and there.
# shellcheck disable=SC2034,SC2154  # 'option NAME DEFAULT' assigns the options
family=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=egs2/TEMPLATE/language.sh
. "$family"/../language.sh
language "$target" name folder=common_voice pair=covost2 nllb

variable=COMMON_VOICE_${folder//-/_} variable=${variable^^}
own=${variable,,} # the option that names the target's corpus, --common-voice-tr
path_option common_voice_en "${COMMON_VOICE_EN:-}" "English Common Voice, release 4 for human labels, or set COMMON_VOICE_EN"
path_option "$own" "${!variable:-}" "$name Common Voice, any release, or set $variable"
labels=human
if [[ $pair == - ]]; then
    labels=bitext
else
    path_option covost "${COVOST:-}" "for human labels, CoVoST 2: covost_v2.$pair.tsv or its folder, or set COVOST"
fi
bitext=BITEXT_EN_${target^^}
path_option bitext "${!bitext:-}" "for labels of a translator trained here, English-$name text (folder, .tsv, .tmx), or set $bitext"
path_option translator "" "for labels nllb and opus_mt, the model, converted by 'python -m stxfer.bin.convert_mt'"
option labels "$labels" "who translates: human (CoVoST 2), bitext, human_bitext, bitext_200k_500k, nllb or opus_mt"
option train_from "" "make the target's training set from this table (validated), not from train.tsv"
option max_drop 0.05 "share of a set's clips that may be left out before it is an error"
