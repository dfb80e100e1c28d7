"""Convert a pretrained translator from the hub's layout to CTranslate2's."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from stxfer.audio.hub import AGAIN
from stxfer.core.errors import ConfigError, DataError, StxferError
from stxfer.core.fileio import atomic_dir, read_json, write_json
from stxfer.core.mistakes import shown
from stxfer.core.records import read_record
from stxfer.core.stage import Stage
from stxfer.experiment.records import ConvertedModel, HubConfig, WeightIndex
from stxfer.mt.translators.families import FAMILIES, MARIAN, T5, Family, Pieces, family_of, languages
from stxfer.text.vocab import open_pieces

log = logging.getLogger(__name__)
MODEL_INFO = "translator.json"
VOCABULARY = "shared_vocabulary.json"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
QUANTIZATIONS = ("int8", "int8_float16", "int8_bfloat16", "int16", "float16", "bfloat16", "float32")
SAMPLES = ("The dog sees the house.", "Il pleut;  n'est-ce pas ?  «Oui», 12,5 %", "Paka anaona maji, 2026!",
           "Привет, мир", "naïve ﬁancé…")


def convert_model(model: Path, out: Path, quantization: str = "float32", *, force: bool = False) -> dict[str, Any]:
    """Convert the model in ``model`` to ``out``; return the contents of its ``translator.json``.

    ``out`` holds CTranslate2's files, the SentencePiece models and ``translator.json`` (family, languages, where the
    model came from). Nothing is downloaded.

    Args:
        model: a directory as ``save_pretrained`` writes it and the hub holds it.
        out: the directory to write, as a whole.
        quantization: how weights are stored, one of :data:`QUANTIZATIONS`; what they are computed in is chosen when
            the translator is opened.
        force: convert again a model that is converted, or overwrite a directory that is not ours.

    Raises:
        ConfigError: a family or a model that cannot be converted.
        DataError: files are missing or broken.
    """
    model, out = Path(model), Path(out)
    if quantization not in QUANTIZATIONS:
        raise ConfigError(f"quantization {quantization!r} is unknown; known: {' '.join(QUANTIZATIONS)}")
    if not model.is_dir():
        raise DataError(f"{model}: no such directory; download the model first, e.g. with 'huggingface-cli download "
                        "NAME --local-dir DIR' (nothing is downloaded here)")
    family = family_of(read_record(model / "config.json", HubConfig, AGAIN), model)
    weights = _check_files(model, family)
    small = sorted({model / name for name in ("config.json", *family.pieces, *family.files)})
    sizes = {path.name: path.stat().st_size for path in weights}
    stage = Stage(f"conversion of {model}", out, small, {"quantization": quantization, "weights": sizes})
    if out.exists() and any(out.iterdir()) and not stage.marker.exists() and not force:
        raise DataError(f"{out}: exists and is not a converted model; give --force to replace it")
    if stage.needed(force=force):
        with atomic_dir(out) as directory:
            info = _convert(model, family, quantization, directory)
        stage.finish(path for path in out.iterdir() if path.is_file())
        log.info("%s: converted, %s, %d languages", out, family.name, len(info["languages"]))
    converted: dict[str, Any] = read_json(out / MODEL_INFO)
    return converted


def _check_files(model: Path, family: Family) -> list[Path]:
    """Return the files of the weights, all of them there."""
    missing = [name for name in dict.fromkeys((*family.pieces, *family.files)) if not (model / name).exists()]
    found = next((name for name in WEIGHTS if (model / name).exists()), None)
    weights = [model / found] if found else []
    if found is None:
        missing.append(f"{WEIGHTS[0]} or {WEIGHTS[2]}")
    elif found.endswith(".index.json"):
        index = read_record(model / found, WeightIndex, AGAIN)
        weights = [model / name for name in sorted(set(index["weight_map"].values()))]
        missing += [path.name for path in weights if not path.exists()]
    if missing:
        raise DataError(f"{model}: a {family.name} model lacks {', '.join(missing)}; download the whole directory")
    for name in family.pieces:
        open_pieces(model / name)
    if family is MARIAN and (model / "target_vocab.json").exists():
        raise ConfigError(f"{model}: source and target have vocabularies of their own (target_vocab.json), which "
                          "CTranslate2 does not convert")
    return weights


def _convert(model: Path, family: Family, quantization: str, directory: Path) -> dict[str, Any]:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a name that looks like a directory must not become a download
    import torch
    from ctranslate2.converters import TransformersConverter

    class Converter(TransformersConverter):  # type: ignore[misc]  # ctranslate2 has no types
        """Reads the vocabulary id by id: what CTranslate2 does differs between versions of transformers."""

        tokenizer: Any = None

        def load_model(self, model_class: Any, name: str, **options: Any) -> Any:
            loaded = model_class.from_pretrained(name, local_files_only=True, **options)
            self.size = loaded.config.vocab_size
            if family is T5:
                # transformers 5 calls every T5 tied and says elsewhere whether the output is scaled, which
                # CTranslate2 takes from the former.
                loaded.config.tie_word_embeddings = raw.get("scale_decoder_outputs",
                                                            raw.get("tie_word_embeddings", True))
            return loaded

        def load_tokenizer(self, tokenizer_class: Any, name: str, **options: Any) -> Any:
            self.tokenizer = tokenizer_class.from_pretrained(name, local_files_only=True, **options)
            return _by_id(self.tokenizer, self.size)

    raw = read_record(model / "config.json", HubConfig, AGAIN)
    converter = Converter(str(model))
    try:
        with torch.no_grad():
            converter.convert(str(directory), quantization=None if quantization == "float32" else quantization,
                              force=True)
    except (StxferError, MemoryError):
        raise
    except Exception as error:  # whatever the readers of configurations, vocabularies and weights stumble over
        raise DataError(f"{model}: cannot be read or converted: {' '.join(str(error).split())[:300]}") from None
    for name in dict.fromkeys(family.pieces):
        shutil.copyfile(model / name, directory / name)
    vocabulary = read_json(directory / VOCABULARY)
    known = languages(family, vocabulary)
    _compare(converter.tokenizer, directory, family, vocabulary)
    info = {"family": family.name, "languages": sorted(known), "quantization": quantization, "from": str(model),
            "positions": int(raw.get("max_position_embeddings") or raw.get("n_positions") or 512)}
    write_json(directory / MODEL_INFO, info)
    return info


def _by_id(tokenizer: Any, size: int) -> SimpleNamespace:
    """Return what CTranslate2 asks a tokenizer for, with exactly one token an id."""
    tokens: dict[str, int] = {}
    for number in range(size):
        try:
            token = tokenizer.convert_ids_to_tokens(number)
        except (IndexError, KeyError, OverflowError):
            token = None
        if token is None or token in tokens or (token == tokenizer.unk_token and number != tokenizer.unk_token_id):
            token = f"madeupword{number}"  # an embedding that no text has
        tokens[token] = number
    names = {name: getattr(tokenizer, name) for name in ("bos_token", "eos_token", "unk_token", "pad_token",
                                                         "unk_token_id")}
    return SimpleNamespace(get_vocab=lambda: tokens, special_tokens_map={}, num_madeup_words=0,
                           convert_ids_to_tokens=tokenizer.convert_ids_to_tokens, **names)


def _compare(tokenizer: Any, directory: Path, family: Family, vocabulary: list[str]) -> None:
    """Warn where transformers' tokenizer cuts text otherwise than SentencePiece, with which the model was trained."""
    code = next(iter(sorted(languages(family, vocabulary))), "")
    pieces = Pieces(directory, family, vocabulary, code if family.both else "", code)
    text = f"<2{code}> " if family is T5 and code else ""
    prefix = len(pieces.encode([""])[0]) - 1 if family is not T5 else 0
    index = set(vocabulary)
    for sample, ours in zip(SAMPLES, pieces.encode(SAMPLES), strict=True):
        mine = [token if token in index else tokenizer.unk_token for token in ours[prefix:-1]]
        theirs = tokenizer.convert_ids_to_tokens(tokenizer(text + sample, add_special_tokens=False)["input_ids"])
        if mine != theirs:
            log.warning("%s: %r is %s here and %s in transformers; what SentencePiece gives is used", directory.name,
                        sample, " ".join(mine), " ".join(theirs))
            return


def read_model(directory: Path) -> tuple[Family, list[str], dict[str, Any]]:
    """Return the family, the vocabulary and the ``translator.json`` of a converted model.

    Raises:
        DataError: files are missing, or hold something else.
    """
    if not Path(directory).is_dir():
        raise DataError(f"{directory}: no such directory; convert a model to it: "
                        f"python -m stxfer.bin.convert_mt --model HF_DIR --out {directory}")
    missing = [name for name in (MODEL_INFO, "model.bin", "config.json", VOCABULARY)
               if not (Path(directory) / name).exists()]
    if not missing:
        info = read_record(Path(directory) / MODEL_INFO, ConvertedModel, "convert the model again")
        if info["family"] not in FAMILIES:
            raise DataError(f"{Path(directory) / MODEL_INFO}: family: {shown(info['family'])} must be one of "
                            f"{' '.join(FAMILIES)}; convert the model again")
        family = FAMILIES[info["family"]]
        missing = [name for name in dict.fromkeys(family.pieces) if not (Path(directory) / name).exists()]
    if missing:
        raise DataError(f"{directory}: not a whole converted model, lacks {', '.join(missing)}; make it again: "
                        f"python -m stxfer.bin.convert_mt --model HF_DIR --out {directory} --force")
    return family, read_record(Path(directory) / VOCABULARY, list[str], "convert the model again"), info
