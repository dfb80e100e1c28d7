"""The model card of a pack: README.md with the header that the Hugging Face hub reads."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from typing_extensions import TypedDict

from stxfer.core.errors import DataError, StaleError
from stxfer.core.marker import read_marker
from stxfer.core.records import read_record
from stxfer.core.workdir import WorkDir
from stxfer.experiment.layout import INFO, TRANSFER, report_dir
from stxfer.experiment.records import ModelInfo
from stxfer.experiment.systems import MARK
from stxfer.model.espnet_patches import CHECKED
from stxfer.transcription.packed import Content
from stxfer.transcription.recorded import Record, check_made

log = logging.getLogger(__name__)
TASKS = {"asr": ("automatic-speech-recognition", "Speech recognition"),
         "st": ("automatic-speech-recognition", "Speech translation")}  # the hub has no task of speech to other text
NAMES = {"wer": "WER", "cer": "CER", "bleu": "BLEU", "chrf": "chrF"}
RESULTS = "results.json"
_PATH = re.compile(r"(?<![\w.])/[^\s'\"]*")  # absolute: of the machine
_CITATION = """@inproceedings{wang20ia_interspeech,
  author = {Changhan Wang and Juan Pino and Jiatao Gu},
  title = {Improving Cross-Lingual Transfer Learning for End-to-End Speech Recognition with Speech Translation},
  booktitle = {Interspeech 2020},
  pages = {4731--4735},
  year = {2020},
}"""


class Row(TypedDict):
    """An entry of ``summary`` of ``results.json``."""

    system: str
    set: str
    seeds: list[int]
    metric: str
    value: float
    ci_low: float
    ci_high: float
    n_utts: int


class Comparison(TypedDict):
    """An entry of its ``comparisons``."""

    system: str
    baseline: str
    metric: str
    relative_reduction: float | None
    ci_low: float | None
    ci_high: float | None
    verdict: str


class Results(TypedDict):
    """What is read of ``results.json``."""

    name: str
    summary: list[Row]
    signatures: dict[str, str]
    comparisons: list[Comparison]


class Transferred(TypedDict):
    """What is read of ``transfer.json``."""

    source: str


@dataclass(frozen=True)
class Card:
    """What a card tells of.

    Attributes:
        content: of ``pack.json``.
        record: of the system.
        name: how the model is called.
        licence: of the model; empty: the card says that none is given.
        packed_encoder: whether a pretrained encoder came along.
        espnet: whether ESPnet's files came along.
        variant: of decoding.
    """

    content: Content
    record: Record
    name: str
    licence: str
    packed_encoder: bool = False
    espnet: bool = False
    variant: str = ""


def model_card(card: Card) -> str:
    """Return the card as Markdown; without absolute paths, and without scores where there is no report."""
    results = _results(card.record)
    scores = _scores(card, results)
    header = yaml.safe_dump(_header(card, scores, results), allow_unicode=True, sort_keys=False)
    parts = [f"---\n{header}---", f"# {card.name}", _what(card), _use(card), _trained(card.record),
             _measured(scores, results), _made(card), _licence(card),
             f"## Citation\n\n```bibtex\n{_CITATION}\n```"]
    return "\n\n".join(part for part in parts if part) + "\n"


def _header(card: Card, scores: Sequence[dict[str, Any]], results: dict[str, Any]) -> dict[str, Any]:
    content = card.content
    languages = dict.fromkeys(_code(language) for language in (content.language, content.spoken) if language)
    task = TASKS[content.task][0]
    header: dict[str, Any] = {"language": list(languages)}
    if card.licence:
        header["license"] = card.licence
    tags = ["stxfer", task, "cross-lingual-transfer", *(["speech-translation"] if content.task == "st" else []),
            *(["espnet"] if card.espnet else [])]
    header |= {"library_name": "stxfer", "pipeline_tag": task, "tags": list(dict.fromkeys(tags)),
               "metrics": list(dict.fromkeys(row["metric"] for row in scores)) or ["wer"]}
    if scores:
        header["model-index"] = [{"name": card.name, "results": [{
            "task": {"type": task}, "dataset": {"type": results["name"], "name": f"{results['name']} {of}"},
            "metrics": [{"type": row["metric"], "value": round(row["value"], 2)} for row in scores if row["set"] == of]}
            for of in dict.fromkeys(row["set"] for row in scores)]}]
    return header


def _code(language: str) -> str:
    return language.replace("_", "-").partition("-")[0].lower()


def _what(card: Card) -> str:
    content = card.content
    languages = f"hears `{content.spoken}` and writes `{content.language}`" if content.task == "st" \
        else f"writes what is said in `{content.language}`"
    hears = "a Whisper with its own decoder" if content.whisper else {
        "pretrained": "features of a pretrained encoder", "waveform": "waveforms, by a pretrained encoder"}.get(
            str((content.features or {}).get("kind", "")), "80 log-mel filterbank energies")
    text = f"{TASKS[content.task][1]}: it {languages}. It hears {hears}; audio of any rate is brought to 16 kHz. " \
           f"Its text is normalised: `{content.text_profile.identity}`."
    if content.decoding.get("lm"):
        text += f" A language model is fused with weight {content.decoding['lm_weight']:g}."
    if content.encoder is not None:
        where = "is in this pack" if card.packed_encoder else "is not in this pack: `--encoder DIR` names its directory"
        text += f"\n\nThe pretrained {content.encoder.family} encoder `{content.encoder.name}` (SHA-256 of its files " \
                f"`{content.encoder.digest[:16]}...`) {where}."
    return text


def _use(card: Card) -> str:
    encoder = "" if card.content.encoder is None or card.packed_encoder else " --encoder DIR"
    text = f"""## Use

```bash
pip install {"'.[pretrained]'" if card.content.encoder else "."}   # in a checkout of stxfer
pip install --no-deps espnet=={CHECKED["espnet"]}   # its layers; not for Whisper
stxfer transcribe DIR_OR_ZIP_OF_THIS recording.wav{encoder}
```

Another experiment of `stxfer` starts from it with `init: {{model: DIR_OR_ZIP_OF_THIS, parts: [encoder]}}`. Damaged
files are refused; `sha256sum -c SHA256SUMS` checks them, too."""
    if card.espnet:
        hears = "80 filterbank energies of `stxfer.audio.fbank.features`" if not card.content.encoder else \
            "features of `stxfer.audio.pretrained`"
        text += f"""

ESPnet opens it, with its own search. It hears {hears}, (frames, dimension), not samples:

```python
import stxfer.model.build  # makes this model's classes known to ESPnet
from espnet2.bin.asr_inference import Speech2Text

recogniser = Speech2Text.from_pretrained("ZIP_OF_THIS or USER/REPOSITORY")  # needs espnet_model_zoo
```"""
    return text


def _trained(record: Record) -> str:
    rows = [f"| {row['system']} | {row['task']} | {row['data']} | {row['text']} | {row['hours']} | {row['start']} |"
            for row in lineage(record)]
    return "\n".join(["## Training", "", "Each system starts from the one above it.", "",
                      "| system | task | speech | text | hours | takes over |", "|---|---|---|---|--:|---|", *rows])


def lineage(record: Record) -> list[dict[str, str]]:
    """Return what a system was trained on, after what it started from, as far as that lies in its work directory."""
    rows: list[dict[str, str]] = []
    directory: Path | None = record.directory
    while directory is not None and len(rows) < 20:
        try:
            system = read_marker(directory)["options"].get("system", {})
            info = read_record(directory / INFO, ModelInfo)
        except DataError:
            break
        init = system.get("init") or {}
        start = ", ".join(init.get("parts", ())) if init else "nothing"
        mixed = "".join(f" + {mix['data']}{' labelled by ' + mix['by'] if mix.get('by') else ''}"
                        for mix in system.get("mix", ()))
        rows.append({"system": directory.absolute().parent.name, "task": str(info.get("task", "")),
                     "data": f"{system.get('data', record.data)}{mixed}", "text": str(system.get("text", "")),
                     "hours": f"{info.get('train', {}).get('hours', 0):.2f}", "start": start})
        transfer = directory / TRANSFER
        source = str(read_record(transfer, Transferred)["source"]) if transfer.exists() else ""
        directory = record.exp / source if init.get("source") and source else None
    return rows[::-1]


def _results(record: Record) -> dict[str, Any]:
    """Return the report's content; nothing if there is none, or if it is not one of this model."""
    path = report_dir(record.exp) / RESULTS
    if not path.exists():  # no report was made
        return {}
    if reason := _not_of(path, record):
        log.warning("%s: the card has no scores: %s", path, reason)
        return {}
    found: dict[str, Any] = read_record(path, Results)
    return found


def _not_of(path: Path, record: Record) -> str:
    """Return why a report's file does not tell of the model that lies there now; nothing if it does."""
    try:
        check_made(path)
        inputs = read_marker(path.parent)["inputs"]
    except (DataError, StaleError) as error:
        return str(error)
    work, model = WorkDir.of(path), record.directory.resolve()
    if not any(Path(work.located(name)).resolve().is_relative_to(model) for name in inputs):
        return f"the report was not made from {record.directory}; run stage report again"
    return ""


def _scores(card: Card, results: dict[str, Any]) -> list[dict[str, Any]]:
    name = f"{card.record.name}{MARK}{card.variant}" if card.variant else card.record.name
    return [row for row in results.get("summary", ()) if row["system"] == name and card.content.seed in row["seeds"]]


def _measured(scores: Sequence[dict[str, Any]], results: dict[str, Any]) -> str:
    if not scores:
        return ""
    lines = ["## Scores", "", "| set | utterances | metric | % | [95 %] | training seeds |",
             "|---|--:|---|--:|---|---|"]
    lines += [f"| {row['set']} | {row['n_utts']} | {NAMES.get(row['metric'], row['metric'])} | {row['value']:.1f} | "
              f"[{row['ci_low']:.1f}, {row['ci_high']:.1f}] | {' '.join(map(str, row['seeds']))} |" for row in scores]
    signatures = [f"- `{results['signatures'][key]}`" for row in scores
                  if (key := f"{row['metric']} {row['set']}") in results["signatures"]]
    system = scores[0]["system"]
    gains = [f"- against {row['baseline']}: {NAMES.get(row['metric'], row['metric'])} "
             f"{100 * row['relative_reduction']:+.1f} % [{100 * row['ci_low']:+.1f}, {100 * row['ci_high']:+.1f}], "
             f"{row['verdict']}" for row in results.get("comparisons", ())
             if row["system"] == system and row["relative_reduction"] is not None]
    lines += ["", "Of several seeds scores are pooled; intervals are bootstraps over test utterances. Signatures:", "",
              *signatures]
    if gains:
        lines += ["", "Relative gain, paired bootstrap:", "", *gains]
    return "\n".join(lines)


def _made(card: Card) -> str:
    content = card.content
    facts = [f"stxfer {content.stxfer}" + (f", commit `{content.commit}`" if content.commit else ""),
             f"training seed {content.seed}", *_commands(card.record)]
    return "\n".join(["## How it was made", "", *(f"- {fact}" for fact in facts)])


def _commands(record: Record) -> Iterator[str]:
    try:
        options = read_marker(report_dir(record.exp))["options"]
    except DataError:
        return
    if command := str(options.get("command", "")):
        yield f"command `{_PATH.sub('PATH', command)}`"
    if config := str(options.get("config", "")):
        yield f"experiment file `{Path(config).name}`"


def _licence(card: Card) -> str:
    given = f"`{card.licence}`" if card.licence else "None is given; ask whoever made it."
    return f"## Licence\n\n{given}" + (" The pretrained encoder has its own." if card.packed_encoder else "")
