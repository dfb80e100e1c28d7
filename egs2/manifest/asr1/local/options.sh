# shellcheck shell=bash
# What run.sh and data.sh both declare.
# shellcheck source=egs2/TEMPLATE/language.sh
. "$(dirname "${BASH_SOURCE[0]}")"/../../../TEMPLATE/language.sh
path_option speech "" "table of the training recordings, TSV, CSV or JSON lines; a part becomes the development set"
path_option test_speech "" "table of the test recordings"
option columns "" "what the tables call our columns, e.g. \"audio=path text=sentence speaker=client_id\""
path_option audio_dir "" "folder that the tables' audio paths are relative to; that of each table if empty"
option apart "speaker text" "what training and development sets share nothing of: speaker, text or both"
path_option bitext "" "text {train,dev,test}.<language> in both languages: the synthesiser speaks the source's side"
option source en "language that helps, by its code; espeak-ng has to speak it"
option target "" "language to recognise, by its code; needed"
