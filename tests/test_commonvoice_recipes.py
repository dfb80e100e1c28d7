"""The recipes of Common Voice: Turkish with human labels and Swahili with a translator's in all that they do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from browser import look_at
from list_recipes import read_experiment
from miniatures import MINIATURES, turkish_pairs
from recipes import EGS, Recipe

from stxfer.core.digests import REMEMBERED
from stxfer.experiment.config import load_experiment
from stxfer.kaldi.datadir import read_datadir
from stxfer.kaldi.table import read_table


@pytest.fixture(scope="module")
def turkish(tmp_path_factory: pytest.TempPathFactory, python: Path) -> Recipe:
    """commonvoice_tr, run from data to table; one Turkish clip is not there."""
    return MINIATURES["commonvoice_tr"](tmp_path_factory.mktemp("tr")).made(python=python)


@pytest.fixture(scope="module")
def swahili(tmp_path_factory: pytest.TempPathFactory, python: Path) -> Recipe:
    """commonvoice_sw, run from data to table, with the training set made from validated.tsv."""
    return MINIATURES["commonvoice_sw"](tmp_path_factory.mktemp("sw")).made("--train-from", "validated", python=python)


def written(work: Path) -> dict[str, int]:
    """Return when each file was written, but for logs and what is remembered of digests."""
    return {str(path.relative_to(work)): path.stat().st_mtime_ns for path in work.rglob("*")
            if path.is_file() and path.suffix != ".log" and path.name not in (REMEMBERED, ".stxfer.lock", ".lock")}


@pytest.mark.parametrize(("name", "systems", "scored"), [
    ("turkish", {"source_asr", "st_human", "direct", "xfer_human"}, {"st_human"}),
    ("swahili", {"source_asr", "st_mt", "direct", "xfer_mt"}, set()),
])
def test_from_data_to_table(name: str, systems: set[str], scored: set[str], request: pytest.FixtureRequest) -> None:
    work = request.getfixturevalue(name).work
    results = json.loads((work / "exp/report/results.json").read_text())
    st = {system for system in systems if system.startswith("st_")}
    assert {row["system"] for row in results["rows"]} == systems - st | scored
    assert results["unscored"] == dict.fromkeys(st - scored, "src_test/text.sw.human")
    (transfer,) = systems & {"xfer_human", "xfer_mt"}
    assert {(c["system"], c["baseline"], c["metric"]) for c in results["comparisons"]} == {
        (transfer, "direct", "wer"), (transfer, "direct", "cer")}
    table = (work / "exp/report/RESULTS.md").read_text()
    assert all(f"| {row['system']} |" in table for row in results["rows"])
    assert all(f"- {system}: not scored, there is no reference" in table for system in results["unscored"])


def test_the_page_opens_in_a_browser(turkish: Recipe) -> None:
    look_at(turkish.work / "exp/report/report.html")


def test_covost_gives_the_source_sets_their_translations(turkish: Recipe) -> None:
    translations = dict(turkish_pairs(1))
    sizes = {}
    for part in ("train", "dev", "test"):
        data = read_datadir(turkish.work / "data" / f"src_{part}")
        assert {utt: translations[text] for utt, text in data.text.items()} == data.texts["text.tr.human"]
        assert all(path.endswith(".mp3") for path in data.wav_scp.values()) and min(data.utt2dur.values()) > 0.5
        sizes[part] = len(data)
    assert sizes == {"train": 42, "dev": 6, "test": 6}  # CoVoST's training split takes what validated.tsv has besides


def test_turkish_letters_survive_normalising(turkish: Recipe) -> None:
    texts = read_table(turkish.work / "dump/data/src_train/text.tr.human").values()
    assert {"istanbul'da", "kırmızı", "irmak"} & {word for text in texts for word in text.split()} == {
        "istanbul'da", "kırmızı"}
    assert any(text.startswith("ırmak ") for text in texts)
    assert set("".join(texts)) <= set("abcçdefgğhıijklmnoöprsştuüvyz' ")


@pytest.mark.parametrize("name", ["turkish", "swahili"])
def test_training_sets_share_no_speaker_and_no_sentence_with_test_sets(name: str,
                                                                       request: pytest.FixtureRequest) -> None:
    recipe = request.getfixturevalue(name)
    for side in ("src", "tgt"):
        for held_out in (f"{side}_dev", f"{side}_test"):
            assert recipe.column("utt2spk", 1, f"{side}_train").isdisjoint(recipe.column("utt2spk", 1, held_out))
            assert recipe.column("text", 1, f"{side}_train").isdisjoint(recipe.column("text", 1, held_out))


def test_a_larger_training_set_from_validated_shares_nothing_with_test(swahili: Recipe) -> None:
    assert len(swahili.column("utt2spk", 0, "tgt_train", top="data")) == 20 + 16  # of 38 rows in no other table


def test_what_was_left_out_is_listed(turkish: Recipe) -> None:
    dropped = (turkish.work / "data/whole/tgt_train/dropped.tsv").read_text().splitlines()
    assert len(dropped) == 1 and "common_voice_tr_18000001" in dropped[0] and "\tmissing" in dropped[0]
    assert len(read_datadir(turkish.work / "data/tgt_train")) == 29


def test_too_many_missing_clips_stop_stage_1(turkish: Recipe) -> None:
    clips = sorted((turkish.corpora["common-voice-en"] / "clips").iterdir())[:4]
    for clip in clips:
        clip.rename(turkish.root / clip.name)
    try:
        result = turkish.run("--stop-stage", "data", workdir="short")
    finally:
        for clip in clips:
            (turkish.root / clip.name).rename(clip)
    assert result.returncode == 1
    (error,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "src_train: 4 of 42 utterances cannot be used, more than --max-drop 0.05 allows" in error
    assert len((turkish.root / "short/data/whole/src_train.dropped.tsv").read_text().splitlines()) == 4
    assert not (turkish.root / "short/data/src_train").exists()


@pytest.mark.parametrize(("name", "options", "status", "message"), [
    ("commonvoice_tr", [], 1, "no corpus: give --common-voice-en (or COMMON_VOICE_EN) DIR, see README.md"),
    ("commonvoice_tr", ["--labels", "bitext", "--common-voice-en=/", "--common-voice-tr=/"], 1,
     "no corpus: give --bitext (or BITEXT_EN_TR) DIR, see README.md"),
    ("commonvoice_sv", ["--common-voice-en=/", "--covost=/"], 1,
     "no corpus: give --common-voice-sv-se (or COMMON_VOICE_SV_SE) DIR, see README.md"),
    ("commonvoice_ky", ["--labels", "nllb"], 1, "no model: give --translator DIR, see README.md"),
    ("commonvoice_sw", ["--common-voice-en", "/no/corpus"], 1,
     "--common-voice-en (or COMMON_VOICE_EN): /no/corpus: no such file or directory"),
    ("commonvoice_sw", ["--labels", "human"], 2, "--labels human: CoVoST 2 has no English-Swahili; see README.md"),
    ("commonvoice_br", ["--labels", "nllb"], 2, "--labels nllb: NLLB-200 has no Breton; see README.md"),
    ("commonvoice_tr", ["--labels", "google"], 2,
     "--labels google: no such labels; there are bitext bitext_200k_500k human human_bitext nllb opus_mt"),
    ("commonvoice_tr", ["--preset", "huge"], 2,
     f"--preset huge: no such preset; {EGS}/TEMPLATE/common_voice/conf has cpu gpu paper tiny"),
    ("fleurs", [], 2, "--target is needed, the code of the language to recognise: af am ar "),
    ("fleurs", ["--target", "br"], 2, "--target br: FLEURS does not have it; it has af am ar "),
    ("fleurs", ["--target", "klingon"], 2, "klingon: no such language; "),
])
def test_what_a_recipe_cannot_do_without(tmp_path: Path, python: Path, name: str, options: list[str], status: int,
                                         message: str) -> None:
    recipe = Recipe(name, tmp_path)
    recipe.python = python
    result = recipe.run(*options)
    assert result.returncode == status
    (error,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert error.startswith(f"error: {message}")


@pytest.mark.parametrize("preset", ["cpu", "gpu", "paper", "tiny"])
@pytest.mark.parametrize("labels", ["human", "bitext", "human_bitext", "bitext_200k_500k", "nllb", "opus_mt"])
def test_presets_compare_what_they_train(preset: str, labels: str) -> None:
    experiment = read_experiment(EGS / "commonvoice_ja/asr1", preset, labels)
    learnt = {system.label for system in experiment.select() if system.task == "st"}
    assert learnt == ({"human"} if "human" in labels else set()) | set(experiment.labels)
    assert {name for pair in experiment.compare for name in pair} | {"scratch"} == {"scratch"} | {
        system.name for system in experiment.select() if system.kind == "target"}
    assert experiment.vocab["target"].type == "char"
    assert set(experiment.vocab["target"].text) == {"tgt_train", *(["bitext"] if "bitext" in labels else []), *(
        f"src_train/text.ja.{label}" for label in ("human", "nllb", "opus_mt") if label in labels)}


def test_the_experiment_of_a_preset_is_put_together_by_run_sh(tmp_path: Path, python: Path) -> None:
    recipe = Recipe("commonvoice_zh", tmp_path)
    recipe.python = python
    result = recipe.run("--labels", "nllb", "--translator", f"{tmp_path}/a model: 'x'", "--preset", "gpu")
    assert result.returncode == 1  # there are no corpora
    made = load_experiment(recipe.work / "config/gpu.yaml")
    assert made.name == "commonvoice_zh_gpu_nllb" and made.labels["nllb"].options.model == f"{tmp_path}/a model: 'x'"
    assert made.labels["nllb"].options.target == "zho_Hans"
    alone = read_experiment(recipe.script.parent, "gpu", "nllb")
    assert (made.systems, made.train, made.data, made.vocab, made.model) == (
        alone.systems, alone.train, alone.data, alone.vocab, alone.model)


def test_a_corrected_test_transcript_is_scored_again_and_nothing_is_trained_or_decoded(swahili: Recipe) -> None:
    corpus = swahili.corpora["common-voice-sw"]
    last = (corpus / "test.tsv").read_text(encoding="utf-8").splitlines()[-1].split("\t")
    wrong = next(field for field in last if " " in field)
    right = " ".join([*wrong.split()[1:], wrong.split()[0]])
    before = written(swahili.work)
    for table in ("test.tsv", "validated.tsv"):
        text = (corpus / table).read_text(encoding="utf-8")
        (corpus / table).write_text(text.replace(wrong, right), encoding="utf-8")
    result = swahili.run("--train-from", "validated")
    assert result.returncode == 0, result.stderr[-3000:]
    after = written(swahili.work)
    again = {path for path in before if after.get(path) != before[path]}
    scores = {path for path in again if "/decode/tgt_test/score/" in path}
    assert "dump/fbank/tgt_test/text" in again and any(path.endswith("/utts.jsonl") for path in scores)
    assert all(path in scores or path.startswith("exp/report/") for path in again if path.startswith("exp/"))
    ending = " ".join(word.casefold().strip(".,!?") for word in right.split()[-2:])  # which no other order has
    assert all(ending in (swahili.work / path).read_text(encoding="utf-8") for path in scores
               if path.endswith("/utts.jsonl"))


def test_another_comparison_writes_the_report_alone(swahili: Recipe, tmp_path: Path) -> None:
    config = tmp_path / "other.yaml"
    config.write_text(f"include: ['{swahili.work}/config/tiny.yaml']\ncompare: [[direct, xfer_mt]]\n")
    before = written(swahili.work)
    result = swahili.run("--config", str(config), "--stage", "features")
    assert result.returncode == 0, result.stderr[-3000:]
    after = written(swahili.work)
    again = {path for path in after if after[path] != before.get(path)}
    assert again and all(path.startswith("exp/report/") for path in again)
    assert {(row["system"], row["baseline"]) for row in json.loads(
        (swahili.work / "exp/report/results.json").read_text())["comparisons"]} == {("direct", "xfer_mt")}
