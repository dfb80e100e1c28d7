"""Where everything lies: every path of ``data/``, ``dump/`` and ``exp/``. Of files nothing but markers is read here.

::

    data/<set>/                               raw data directories                              stage 1
    data/bitext/<part>.<lang>                 raw parallel text
    dump/data/<set>/                          prepared data directories                         stage 2
    dump/data/bitext/<part>.<lang>            cleaned parallel text
    dump/fbank/<set>/                         features and the texts they belong to             stage 3
    dump/translations/<label>/<set>/          translations before filtering                     stage 5
    dump/labels/<label>/<set>/                labels: text.<lang>.<label>
    dump/vocab/<name>/                        SentencePiece vocabularies                        stage 6
    exp/mt/<label>/                           translators                                       stage 4
    exp/mt/<label>/score/score.json           their scores on the test part of the bitext       stage 5
    exp/lm/<name>/                            language models                                   stage 7
    exp/<system>/seed<n>/                     trained systems                                   stages 8 to 10
    exp/<system>/seed<n>/espnet/              stock ESPnet's experiment directory
    exp/<system>/seed<n>/decode/<set>/        hypotheses                                        stage 11
    exp/<system>/seed<n>/decode/<set>/score/  scores                                            stage 12
    exp/<system>/seed<n>/decode/<set>+<variant>/   hypotheses and scores of a variant of decoding
    exp/report/                               RESULTS.md, report.html, results.json, report.png stage 13
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from stxfer.core.marker import is_expected
from stxfer.experiment.labels import HUMAN
from stxfer.experiment.systems import Mix, System

DATA, DUMP, EXP = Path("data"), Path("dump"), Path("exp")  # where commands look unless told otherwise

# Of a set of features: Kaldi's table, frames by utterance, digests of the archives, seconds by utterance, transcripts.
FEATS, FRAMES, CHECKSUMS, DURATIONS, TEXT = "feats.scp", "utt2num_frames", "feats.sha256", "utt2dur", "text"
# Of a trained model: parameters, ESPnet's configuration, what was trained, learning curve, what was transferred.
MODEL, CONFIG, INFO, CURVE, TRANSFER = "model.pth", "config.yaml", "model.json", "curve.png", "transfer.json"
EXPORTED = "model.safetensors"  # the parameters of an exported model
LM_TEXT = "data/train/text"  # of a language model: what it was trained on
DECODED = "decode.json"  # counts of a decoded set
IMPORTED = "espnet.json"  # beside hypotheses that ESPnet has decoded: where they come from
TUNING = "tune.json"  # which options were tried on the development set, and which were best
LEAKS = "leaks.json"  # beside the prepared sets: what training shares with dev and test
STATS = "stats.json"  # beside them, too: their figures
SAMPLE = "sample.tsv"  # of labels: some of them with their source
FRONTEND = "frontend"  # of an exported model: the pretrained encoder that it begins with
TUNED = "whisper"  # of a fine-tuned Whisper: its directory, in transformers' layout
STOCK, STOCK_MODEL = "espnet", "valid.acc.ave.pth"  # of stock ESPnet: its experiment directory, parameters in there
SCORE, UTTERANCES = "score.json", "utts.jsonl"
BEGUN = "begun"  # of a training that has not ended: what it was begun with
TRAIN_LOG, DECODE_LOG = "train.log", "decode.log"


def prepared_dir(dump: Path, name: str = "") -> Path:
    """Return the prepared data directory of a set; without a name, the folder of all."""
    return dump / "data" / name


def bitext_dir(root: Path) -> Path:
    """Return the folder of parallel text under ``data`` or, cleaned, :func:`prepared_dir`."""
    return root / "bitext"


def clean_bitext_dir(dump: Path) -> Path:
    """Return the folder of cleaned parallel text."""
    return bitext_dir(prepared_dir(dump))


def features_dir(dump: Path, name: str = "") -> Path:
    """Return the directory of a set's features and texts; without a name, the folder of all."""
    return dump / "fbank" / name


def human_text(dump: Path, name: str, language: str) -> Path:
    """Return the corpus's own translations of a set into a language."""
    return features_dir(dump, name) / f"{TEXT}.{language}.{HUMAN}"


def translations_dir(dump: Path, label: str, name: str) -> Path:
    """Return where the translations lie that the labels of a set are made of."""
    return dump / "translations" / label / name


def label_dir(dump: Path, label: str, name: str) -> Path:
    """Return where the labels of one source corpus set lie."""
    return dump / "labels" / label / name


def label_text(dump: Path, label: str, name: str, language: str) -> Path:
    """Return the labels of one source corpus set; of the label ``human`` the corpus's own translations."""
    if label == HUMAN:
        return human_text(dump, name, language)
    return label_dir(dump, label, name) / f"{TEXT}.{language}.{label}"


def text_file(system: System | Mix, dump: Path, name: str = "") -> Path:
    """Return the text that is learnt of a set: its ``text``, or ``text.<lang>.<label>`` of it.

    Args:
        system: what names the text, and the set.
        dump: the directory of features and labels.
        name: another set than the one it names, the development set.
    """
    name = name or system.data
    if system.label is None:
        return features_dir(dump, name) / TEXT
    return label_text(dump, system.label, name, system.text.partition(".")[0])


def text_path(text: str, language: str, labels: Collection[str], dump: Path) -> Path:
    """Return the file of a text.

    Args:
        text: ``<set>`` (its transcript), ``<set>/text.<lang>.<label>`` (a translation of it), ``bitext.<lang>`` (a side
            of the MT training data) or ``bitext``.
        language: the side of ``bitext``.
        labels: label sources, ``human`` excluded.
        dump: directory of features, labels and bitext.
    """
    if text.partition(".")[0] == "bitext":
        return clean_bitext_dir(dump) / f"train.{text.partition('.')[2] or language}"
    directory, _, name = text.partition("/")
    label = name.rpartition(".")[2]
    if label in labels:
        return label_dir(dump, label, directory) / name
    return features_dir(dump, directory) / (name or TEXT)


def vocab_dir(dump: Path, name: str) -> Path:
    """Return where a vocabulary lies."""
    return dump / "vocab" / name


def mt_dir(exp: Path, label: str = "") -> Path:
    """Return where the translator of a label source lies; without a label, the folder of all."""
    return exp / "mt" / label


def beside(directory: Path, folder: Path) -> Path:
    """Return :data:`DATA`, :data:`DUMP` or :data:`EXP` beside another of them, which may be the current directory."""
    return (directory if directory.name else directory.absolute()).parent / folder.name


def mt_score_dir(exp: Path, label: str) -> Path:
    """Return where the score of a label source's translator lies."""
    return mt_dir(exp, label) / "score"


def mt_scores(exp: Path) -> dict[str, Path]:
    """Return the score files of the translators that have been scored, by label."""
    directories = sorted(mt_dir(exp).glob("*/score"))
    return {path.parent.name: path / SCORE for path in directories if is_expected(path / SCORE)}


def lm_dir(exp: Path, name: str) -> Path:
    """Return where a language model lies."""
    return exp / "lm" / name


def system_dir(exp: Path, system: str, seed: int) -> Path:
    """Return where a system trained with a seed lies."""
    return exp / system / f"seed{seed}"


def parameters(model: Path) -> Path:
    """Return the file that holds the parameters of a model's directory, trained here or exported."""
    exported = model / EXPORTED
    return exported if exported.exists() else model / MODEL


def decode_dir(exp: Path, system: System, seed: int, variant: str = "", name: str = "") -> Path:
    """Return where the hypotheses of a set lie, those of a variant of decoding beside the usual ones.

    Args:
        exp: the directory of trained systems.
        system, seed: which model.
        variant: of decoding.
        name: the set; none: the system's test set.
    """
    directory = (name or system.test_set) + (f"+{variant}" if variant else "")
    return system_dir(exp, system.name, seed) / "decode" / directory


def tuning_dir(exp: Path, system: System, seed: int, variant: str = "") -> Path:
    """Return where the tuning of a system's decoding lies that was asked for by itself."""
    return decode_dir(exp, system, seed, variant).with_name(system.dev_set + (f"+{variant}" if variant else ""))


def score_dir(exp: Path, system: System, seed: int, variant: str = "") -> Path:
    """Return where ``score.json``, ``utts.jsonl`` and their marker lie."""
    return decode_dir(exp, system, seed, variant) / "score"


def imported_files(exp: Path) -> dict[str, list[Path]]:
    """Return the files that say where imported systems come from, by system, one of each seed."""
    found: dict[str, list[Path]] = {}
    for path in sorted(exp.glob(f"*/seed*/decode/tgt_test/{IMPORTED}")):
        found.setdefault(path.parents[3].name, []).append(path)
    return found


def report_dir(exp: Path) -> Path:
    """Return where the report of an experiment lies."""
    return exp / "report"


PREPARE, FEATURES, VOCAB, LABELS, TRANSLATIONS = "prepare", "features", "vocab", "labels", "translations"
MT, MT_SCORE, LM, SYSTEM, DECODE, SCORES = "mt", "mt score", "lm", "system", "decode", "score"


def place(directory: Path, dump: Path, exp: Path) -> tuple[str, ...]:
    """Return what a directory holds: ``data``, ``prepare`` and so on, and the names in its path; ``()``: none of ours.

    E.g. ``("system", "direct")``, ``("decode", "direct", "tgt_test+lm")``. Raw data is looked for beside ``dump``.
    """
    for root, match in ((beside(dump, DATA), _in_data), (dump, _in_dump), (exp, _in_exp)):
        if directory.absolute().is_relative_to(root.absolute()):
            return match(*directory.absolute().relative_to(root.absolute()).parts)
    return ()


def _in_data(*parts: str) -> tuple[str, ...]:
    return (DATA.name, *parts) if len(parts) == 1 else ()


def _in_dump(*parts: str) -> tuple[str, ...]:
    match parts:
        case ("data", name):
            return (PREPARE, name)
        case ("fbank", name):
            return (FEATURES, name)
        case ("vocab", name):
            return (VOCAB, name)
        case ("labels" | "translations" as what, label, name):
            return (what, label, name)
    return ()


def _in_exp(*parts: str) -> tuple[str, ...]:
    match parts:
        case ("mt", label):
            return (MT, label)
        case ("lm", name):
            return (LM, name)
        case ("mt", label, "test"):
            return (TRANSLATIONS, label, "test")
        case ("mt", label, "score"):
            return (MT_SCORE, label)
        case (system, seed, *below) if seed.startswith("seed"):
            what = {(): SYSTEM, ("decode",): DECODE, ("decode", "score"): SCORES}.get(tuple(below[::2]))
            return (what, system, *below[1:2]) if what else ()
    return ()
