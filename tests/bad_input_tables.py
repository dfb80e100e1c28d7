"""Bad manifests, data directories, bitexts and archives."""

from __future__ import annotations

import tarfile

from bad_input_cases import (
                             ARCHIVE,
                             BITEXT,
                             DOWNLOAD,
                             KALDI,
                             MANIFEST,
                             ZIP,
                             Case,
                             both,
                             dropped,
                             lines,
                             nothing,
                             removed,
                             replaced,
                             table,
                             unpacked,
                             unsorted,
                             written,
)

ROOT_HINT = "Paths are relative to <tmp> (--root). "
WAV_HINT = "Audio paths are relative to <tmp>/in (--audio-dir). "
FOUR = "out/tgt_train: 4 utterances, 0.00 h\n"
TEXT = ("ada-1 Mtoto anasoma kitabu.\nada-2 Maji ni moto sana.\nben-3 Mwalimu amefika shuleni.\n"
        "ben-4 Leo jua ni kali.\n")

CASES: dict[str, Case] = {
    "manifest without text": Case("manifest", replaced("m.tsv", "\ttext\n", "\tsentence\n"), MANIFEST,
                                  "<tmp>/in/m.tsv:1: no column 'text'; there are: utt audio speaker sentence. Say "
                                  "which one holds text with --columns 'text=NAME'"),
    "id with spaces": Case("manifest", replaced("m.tsv", "ada-1\t", "ada  one\t"), MANIFEST, FOUR,
                           {"tgt_train/utt2spk": "ada-2 ada\nada_one ada\nben-3 ben\nben-4 ben\n"}, status=0),
    "ids that differ in a space": Case(
        "manifest", both(replaced("m.tsv", "ada-1\t", "ada 1\t"), replaced("m.tsv", "ada-2\t", "ada_1\t")), MANIFEST,
        "<tmp>/in/m.tsv:3: utterance ada_1 stands already in line 2; remove one of them"),
    "time not in seconds": Case(
        "manifest", lines("m.tsv", lambda found: [line.replace("\n", "\tstart\n" if not k else "\t0:01\n")
                                                  for k, line in enumerate(found)]), MANIFEST,
        "<tmp>/in/m.tsv:2: column 'start': '0:01' is not a number of seconds"),
    "manifest with a command": Case("manifest", replaced("m.tsv", "wav/ada-2.wav", "cat wav/ada-2.wav |"), MANIFEST,
                                    "<tmp>/in/m.tsv:3: audio 'cat wav/ada-2.wav |' is a command; write its output to "
                                    "a file and give the path"),
    "manifest with an absolute path": Case(
        "manifest", replaced("m.tsv", "wav/ada-2.wav", "/etc/hostname"), MANIFEST,
        "<tmp>/in/m.tsv:3: path '/etc/hostname' leaves <tmp>/in; give a path within that folder, or allow others with "
        "--allow-outside"),
    "path too long": dropped("manifest", replaced("m.tsv", "wav/ada-2.wav", "a" * 300), MANIFEST, "set tgt_train", 4,
                             "ada-2", f"missing: <tmp>/in/{'a' * 300}: no such audio file (File name too long)",
                             hint=WAV_HINT),
    "line break in a CSV field": table("csv", 'audio,text\nwav/ada-1.wav,"Mtoto anasoma\nkitabu."\n',
                                       "out/tgt_train: 1 utterances, 0.00 h\n", works=True),
    "line break in a path": table(
        "csv", 'audio,text\n"wav/ada\n-1.wav",Mtoto\nwav/ada-2.wav,Maji\n',
        "set tgt_train: 1 of 2 utterances cannot be used, more than --max-drop 0.05 allows (missing 1); e.g. "
        r"wav_ada_-1-6acc10f1: missing: <tmp>/in/wav/ada\n-1.wav: no such audio file; all are listed in "
        f"out/tgt_train.dropped.tsv. {WAV_HINT}Mend the data or raise --max-drop",
        {"tgt_train.dropped.tsv": "wav_ada_-1-6acc10f1\tmissing: <tmp>/in/wav/ada -1.wav: no such audio file\n"}),
    "quotation mark not closed": table("csv", 'audio,text\nwav/ada-1.wav,"Mtoto\nwav/ada-2.wav,Maji\n',
                                       "<tmp>/in/m.csv:3: not CSV (unexpected end of data); look for a quotation mark "
                                       "that is not closed from line 2 on, one within a field is written twice"),
    "JSON cut short": table("jsonl", '{"audio": "wav/ada-1.wav", "text": "Mtoto"}\n{"audio": "wav/ada-2',
                            "<tmp>/in/m.jsonl:2: not JSON (Unterminated string starting at: line 1 column 11 (char "
                            "10)); each line must be one object"),
    "JSON nested without end": table("jsonl", "[" * 100000, "<tmp>/in/m.jsonl:1: not JSON (maximum recursion depth "
                                     "exceeded while decoding a JSON array from a unicode string); each line must be "
                                     "one object"),
    "text is NaN": table("jsonl", '{"audio": "wav/ada-1.wav", "text": NaN}\n',
                         "<tmp>/in/m.jsonl:1: column 'text' is neither text nor a number"),
    "half a character": table("jsonl", '{"audio": "wav/ada-1.wav", "text": "Mtoto \\ud83d"}\n',
                              r"<tmp>/in/m.jsonl:1: column 'text' holds half of a character (\ud800 to \udfff)"),
    "spreadsheet": table("xlsx", "PK", "<tmp>/in/m.xlsx: not a table by its name; it must end in .tsv, .csv or .jsonl"),

    "pipe in wav.scp": Case("kaldi", replaced("tgt_train/wav.scp", "in/wav/ada-1.wav", "cat in/wav/ada-1.wav |"), KALDI,
                            "in/tgt_train/wav.scp: 1 of 4 entries are commands, e.g. ada-1: 'cat in/wav/ada-1.wav'. "
                            "Read them; --allow-pipes runs each once, in <tmp>, and keeps its output"),
    "pipe that fails": dropped(
        "kaldi", replaced("tgt_train/wav.scp", "in/wav/ada-1.wav", "cat in/gone.wav |"), f"{KALDI} --allow-pipes",
        "set tgt_train", 4, "ada-1",
        "command: exit status 1 of 'cat in/gone.wav': cat: in/gone.wav: No such file or directory", hint=ROOT_HINT),
    "tables unsorted": Case("kaldi", unsorted, KALDI, FOUR, {"tgt_train/text": TEXT}, status=0),
    "table with DOS line ends": Case("kaldi", replaced("tgt_train/wav.scp", "\n", "\r\n"), KALDI, FOUR, status=0),
    "table with a byte-order mark": Case("kaldi", replaced("tgt_train/text", "ada-1", "\ufeffada-1"), KALDI,
                                         "in/tgt_train/text:1: starts with a byte-order mark; save it as plain UTF-8"),
    "table in Latin-1": Case("kaldi", replaced("tgt_train/text", "Maji", b"Maj\xed"), KALDI, "in/tgt_train/text:2: not "
                             "UTF-8 (invalid continuation byte at byte 9 of the line); convert it with iconv"),
    "id twice": Case("kaldi", replaced("tgt_train/text", "ada-2", "ada-1"), KALDI,
                     "in/tgt_train/text:2: duplicate key 'ada-1'; keys must be unique"),
    "speaker with a space": Case("kaldi", replaced("tgt_train/utt2spk", "ada-1 ada", "ada-1 ada l"), KALDI,
                                 "in/tgt_train/utt2spk: utterance ada-1: speaker id 'ada l' holds white space; write "
                                 "it as 'ada_l'"),
    "utterance without text": dropped("kaldi", replaced("tgt_train/text", "ada-1 Mtoto anasoma kitabu.\n", ""), KALDI,
                                      "set tgt_train", 4, "ada-1", "incomplete: not in text", hint=ROOT_HINT),
    "segment of three fields": Case("kaldi", written("tgt_train/segments", "ada-1 ada-1 0.5\n"), KALDI,
                                    "in/tgt_train/segments: utterance ada-1: has 3 fields; a line is '<utterance> "
                                    "<recording> <start> <end>', times in seconds, with or without '<channel>' after "
                                    "it, counted from 0"),
    "features for audio": Case("kaldi", lambda root: (root / "tgt_train/wav.scp").rename(root / "tgt_train/feats.scp"),
                               KALDI, "in/tgt_train: has no wav.scp; it holds features (feats.scp), but audio is "
                               "needed: give the directory that they were made from"),
    "directory not as Kaldi's": Case("kaldi", unsorted, "datadir validate in/tgt_train", "in/tgt_train: not valid; "
                                     "'python -m stxfer.bin.datadir fix' mends what can be mended"),
    "directory fixed": Case(
        "kaldi", both(unsorted, replaced("tgt_train/utt2spk", "\n", "\r\n")),
        "datadir fix in/tgt_train --out out/tgt_train",
        "in/tgt_train/text: mended order (3)\nin/tgt_train/utt2spk: mended DOS line ends (4), order (3)\n"
        "in/tgt_train/wav.scp: mended order (3)\nout/tgt_train: 4 utterances, 0 dropped\n", {"tgt_train/text": TEXT},
        status=0),

    "bitext of different lengths": Case("bitext", written("train.sw", "moja\nmbili\n"), BITEXT, "in/train.en has 4 "
                                        "lines and in/train.sw has 2; line n of one must translate line n of the "
                                        "other"),
    "bitext in Latin-1": Case("bitext", replaced("train.sw", "number 2", b"n\xfamero 2"), BITEXT, "in/train.sw:3: not "
                              "UTF-8 (invalid start byte at byte 19 of the line); convert it with iconv"),
    "bitext of one side": Case("bitext", removed("train.sw"), BITEXT,
                               "in/train.sw: no such file, though the other side is there"),
    "bitext without line breaks": Case("bitext", lambda root: (root / "train.sw").write_text("a " * 600000), BITEXT,
                                       "in/train.sw:1: a line of more than 1 MiB is no sentence"),

    "tar member that leaves": unpacked(("../b", tarfile.REGTYPE, ""), "'../b' leaves the folder it is unpacked into"),
    "tar member of an absolute path": unpacked(("/tmp/b", tarfile.REGTYPE, ""), "'/tmp/b' is an absolute path"),
    "tar member that is a device": unpacked(("sw/null", tarfile.CHRTYPE, ""),
                                            "'sw/null' is a device or another special file"),
    "tar member that links outside": unpacked(("sw/home", tarfile.SYMTYPE, "../../home"),
                                              "'sw/home' links outside the archive, to '../../home'"),
    "tar cut short": Case("archives", lambda root: (root / "sw.tar.gz").write_bytes(
        (root / "sw.tar.gz").read_bytes()[:-30]), DOWNLOAD, "out/sw.tar.gz: cut short or damaged (Compressed file "
        "ended before the end-of-stream marker was reached); remove it and download it again", ARCHIVE, mended=ZIP),
    "page for an archive": Case("archives", written("sw.tar.gz", "<html>"), DOWNLOAD, "out/sw.tar.gz: not a whole "
                                "archive of a kind known here (.tar .tar.gz .tgz .tar.bz2 .tar.xz .zip); remove it "
                                "and download it again", ARCHIVE, mended=ZIP),
    "nothing at the address": Case("archives", removed("sw.tar.gz"), DOWNLOAD, "<site>/sw.tar.gz: the server says 404 "
                                   "File not found: it has no such file; check the address"),
    "another digest": Case("archives", written("sw.tar.gz", "new"), f"{DOWNLOAD} --sha256 {'0' * 64}",
                           "<site>/sw.tar.gz: the file that came has the SHA-256 "
                           "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437, not " + "0" * 64 +
                           "; it was removed. Try again; if it stays so, the file on the server has changed",
                           mended=DOWNLOAD),
    "terms to be accepted": Case("archives", nothing, "download must_c --out out", "MuST-C: TED talks in English with "
                                 "translations into 14 languages (CC BY-NC-ND 4.0): cannot be fetched from here. Go to "
                                 "https://mt.fbk.eu/must-c/, ask for it there, agree to the terms, unpack the archive "
                                 "with tar -xzf, and give its folder to prepare_must_c --corpus", mended=DOWNLOAD),
}
