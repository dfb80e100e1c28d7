"""The files of a new recipe: options, commands of stage 1, experiment and README, as strings."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import yaml

from stxfer.experiment.data import SpokenBitextOptions
from stxfer.recipes.new import Found
from stxfer.recipes.speech import folded

RUN = """#!/usr/bin/env bash
# {title}. The corpora: README.md.
# shellcheck source=egs2/TEMPLATE/asr1/recipe.sh
. "$(dirname "$(readlink -f "${{BASH_SOURCE[0]}}")")"/../../TEMPLATE/asr1/recipe.sh
"""
DATA = """#!/usr/bin/env bash
# Stage 1 of {name}: {what}.
# shellcheck disable=SC2154  # options.sh declares the options
# shellcheck source=egs2/TEMPLATE/asr1/data.sh
. "$(dirname "$(readlink -f "${{BASH_SOURCE[0]}}")")"/../../../TEMPLATE/asr1/data.sh

{commands}
"""
OPTIONS = """# shellcheck shell=bash
# What run.sh and local/data.sh of {name} both declare.
# shellcheck disable=SC2034  # the driver reads it
preset=base
option max_drop 0.05 'share of a set that stage data may leave out before it is an error'
{options}
"""
PATHS = """# shellcheck shell=bash disable=SC2034
# Where the corpora lie on this machine.
{paths}"""
SPOKEN = 3.0  # hours of the synthesiser, about: a few thousand short sentences
LARGE = 20.0  # hours of a training set from which on the experiment takes a part of it
PART = {"src_train": 20.0, "tgt_train": 10.0}  # of such a set, which two processor cores can train on


def recipe_files(found: Found) -> dict[str, str]:
    """Return the contents of a recipe's files by path; ``local/paths.sh``, of this machine, is not for sharing."""
    name, corpora = found.asked.name, corpora_of(found)
    options = "\n".join(f'path_option {option} "${{{variable}:-}}" {shlex.quote(f"{what}, or set {variable}")}'
                        for option, variable, what, _ in corpora)
    paths = "".join(f"[[ -n ${{{variable}:-}} ]] || {variable}={shlex.quote(path)}\n"
                    for _, variable, _, path in corpora)
    return {"run.sh": RUN.format(title=_title(found)),
            "local/options.sh": OPTIONS.format(name=name, options=options),
            "local/paths.sh": PATHS.format(paths=paths),
            "local/data.sh": DATA.format(name=name, what=_what(found), commands="\n".join(_commands(found, corpora))),
            "conf/base.yaml": _experiment(found)}


def _title(found: Found) -> str:
    source, target = found.asked.languages
    return f"{source} to {target}: transfer to {target} speech through speech translation"


def _what(found: Found) -> str:
    source, target = found.asked.languages
    spoken = f"{source} of the synthesiser, which reads the bitext" if found.spoken else f"{source} speech"
    return f"{target} speech, {spoken}" + (", and the bitext" if found.pairs else "")


def corpora_of(found: Found) -> list[tuple[str, str, str, str]]:
    """Return option, variable, description and path of each corpus."""
    asked = found.asked
    source, target = asked.languages
    prefix = asked.name.upper()
    given: list[tuple[str, str, Path | None]] = [("speech", f"{target} speech ({found.target.kind})", asked.speech)]
    if found.source is not None:
        given.append(("source_speech", f"{source} speech ({found.source.kind})", asked.source_speech))
    if asked.covost is not None:
        given.append(("covost", "translations of CoVoST 2", asked.covost))
    if asked.bitext is not None:
        given.append(("bitext", f"aligned text of {source} and {target}", asked.bitext))
    return [(option, f"{prefix}_{option.upper()}", what, str(path)) for option, what, path in given]


def _commands(found: Found, corpora: list[tuple[str, str, str, str]]) -> list[str]:
    asked = found.asked
    source, target = asked.languages
    check = {"bitext": f"need_text {source}"}
    lines = [f'{check.get(option, "need")} "--{option.replace("_", "-")} (or {variable})" "${option}"'
             for option, variable, _, _ in corpora]
    large = _hours(found)
    speech = found.target.commands("speech", "tgt")
    if found.source is not None:
        speech += found.source.commands("source_speech", "src")
    lines += ["", *(line.replace('"$data"', '"$data"/whole') if large else line for line in speech)]
    if large:
        lines.append('stxfer take_sets --config "$config" --whole "$data"/whole --out "$data"')
    languages = f"--source-lang {source} --target-lang {target}"
    bitext = '"$data"/bitext' if found.spoken is None else '"$data"/whole/bitext'
    if found.own_bitext:
        data = '"$data"/whole' if large else '"$data"'
        lines.append(f"stxfer bitext_of_sets --data {data} {languages} --out {bitext}")
    elif found.pairs and (found.spoken is None or not found.whole_bitext):
        count = max(1, min(1000, found.pairs["train"] // (50 if found.shared else 20)))
        some = [f"--{part}-pairs {count}" for part in ("dev", "test") if part not in found.pairs]
        lines += folded(['stxfer prepare_bitext --corpus "$bitext"', languages, *some, f"--out {bitext}"])
    elif found.spoken is not None:
        bitext = '"$bitext"'
    if found.spoken is not None:
        lines.append(f'stxfer speak_bitext --config "$config" --bitext {bitext} --out "$data" --nj "$nj"')
    return lines


def _hours(found: Found) -> dict[str, float]:
    """Return how much of each set an experiment takes; nothing if all of all."""
    large = {name: part for name, part in PART.items() if name in found.amounts and found.amounts[name].hours > LARGE}
    return large | {f"{name[:3]}_{part}": 1.0 for name in large for part in ("dev", "test")}


def _vocabulary(hours: float, text: list[str]) -> dict[str, Any]:
    """Return a vocabulary by the rule of the guide: the less speech, the shorter the pieces."""
    if hours < 0.5:
        return {"type": "char", "size": 100, "text": text}
    size = 300 if hours < 5 else 500 if hours < LARGE else 1000
    return {"type": "unigram", "size": size, "text": text}


def _experiment(found: Found) -> str:
    source, target = found.asked.languages
    hours = _hours(found)
    target_hours = hours.get("tgt_train", found.amounts["tgt_train"].hours)
    source_hours = hours.get("src_train", found.amounts["src_train"].hours) if "src_train" in found.amounts else SPOKEN
    model = "tiny" if target_hours <= 5 else "small"
    values: dict[str, Any] = {"name": found.asked.name, "languages": {"source": source, "target": target}}
    data: dict[str, Any] = {"hours": hours} if hours else {}
    if found.spoken is not None:
        usual = SpokenBitextOptions()
        data["speak_bitext"] = {key: value for key, value in vars(found.spoken).items()
                                if value != getattr(usual, key) and not key.startswith("_")}
    if data:
        values["data"] = data
    longest = max(amount.longest for amount in found.amounts.values())
    if longest > 30:
        values["prepare"] = {"max_seconds": min(60, 10 * int(longest // 10 + 1))}
    if found.rules:
        values["normalise"] = found.rules
    values["vocab"] = {"source": _vocabulary(source_hours, ["src_train"]),
                       "target": _vocabulary(target_hours, ["tgt_train", *(["bitext"] if found.pairs else [])])}
    none: dict[str, None] = {}
    if not found.translator:
        values["labels"] = {"mt": None}
        none |= {"st_mt": None, "xfer_mt": None}
    elif found.pairs["train"] >= 20000:
        values["mt"] = {"vocab": 2000, "train": [{"epochs": 20, "steps": 500, "batch_frames": 1000, "threads": 2}]}
    else:
        values["mt"] = {"train": [{"epochs": 20, "steps": 100, "batch_frames": 1000, "lr": 2e-3, "dropout": 0.3}]}
    if not found.human:
        none |= {"st_human": None, "xfer_human": None}
    kinds = [kind for kind in ("human", "mt") if f"xfer_{kind}" not in none]
    if none:
        values["systems"] = none
        values["compare"] = [["direct", "scratch"], *([f"xfer_{kind}", "direct"] for kind in kinds),
                             *([f"xfer_{kind}", "scratch"] for kind in kinds)]
    head = (f"# {_title(found)}.\n# Other keys are in the files included; their meaning: docs/experiment-files.md.\n"
            f"include: [../../../../conf/base.yaml, ../../../../conf/models/{model}.yaml]\n")
    return head + "".join(_key(key, value) for key, value in values.items())


def _key(key: str, value: Any) -> str:
    """Return a key of the experiment file: one line, or one for each key within."""
    if isinstance(value, dict) and key not in ("languages", "prepare", "systems"):
        return f"{key}:\n" + "".join(f"  {name}: {_flow(of, 4 + len(name))}\n" for name, of in value.items())
    if isinstance(value, list):
        return f"{key}:\n" + "".join(f"  - {_flow(item, 4)}\n" for item in value)
    return f"{key}: {_flow(value, 2 + len(key))}\n"


def _flow(value: Any, used: int) -> str:
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=True, width=116 - used)
    return text.removesuffix("\n").removesuffix("\n...").replace("\n", "\n    ")
