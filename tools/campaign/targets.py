"""What :mod:`fuzz` changes and runs: the commands of a recipe, with the files that each reads."""

from __future__ import annotations

from dataclasses import dataclass

FLAT = "experiment.yaml"  # the experiment with all that it includes
SYSTEM = "exp/direct/seed1"


@dataclass(frozen=True)
class Target:
    """A command and the files that it reads.

    Attributes:
        name: of the stage.
        command: module of ``stxfer.bin`` and its options, without ``--config``.
        files: patterns below the work directory.
        weight: how often it is drawn; training and decoding take seconds, the others less.
        first: directories and files that are removed before, so that there is something to do.
        unfinished: a training that a kill has stopped.
        config: the command has ``--config``.
    """

    name: str
    command: tuple[str, ...]
    files: tuple[str, ...]
    weight: float = 1.0
    first: tuple[str, ...] = ()
    unfinished: bool = False
    config: bool = True


def _target(name: str, command: str, files: str, weight: float = 1.0, first: str = "", **more: bool) -> Target:
    return Target(name, tuple(command.split()), tuple(files.split()), weight, tuple(first.split()), **more)


TARGETS = (
    _target("experiment", "check_config", FLAT, 3),
    _target("prepare", "prepare --data data --out dump/data --nj 1", "data/*/text* data/*/wav.scp data/*/utt2* "
            "data/*/spk2utt data/*/audio.sha256 data/*/.stage.json data/bitext/* data/audio/tgt_test/*.flac "
            "dump/data/*.json dump/data/*.tsv dump/data/.stage.json dump/data/*/.stage.json dump/data/*/held_audio.tsv "
            "dump/data/*/dropped.tsv", 1.5),
    _target("features", "dump_fbank --data dump/data --out dump/fbank --nj 1", "dump/data/t*/text dump/data/t*/wav.scp "
            "dump/data/t*/utt2* dump/data/t*/.stage.json dump/fbank/t*/.stage.json dump/fbank/t*/feats.scp", 1.0,
            "dump/fbank/tgt_test/utt2num_frames"),
    _target("mt", "train_mt --label mt", "dump/data/bitext/* exp/mt/mt/data/*/*", 0.3, "exp/mt/mt"),
    _target("labels", "make_labels --nj 1", "exp/mt/mt/*.json exp/mt/mt/*.yaml exp/mt/mt/*.pth exp/mt/mt/.stage.json "
            "exp/mt/mt/data/vocab/* dump/fbank/src_*/text* dump/data/src_*/text* exp/mt/*/score/* exp/mt/*/test/*", 0.5,
            "dump/fbank/src_dev/text.sw.mt"),
    _target("vocab", "make_vocab --dump dump", "dump/fbank/*_train/text* dump/data/bitext/* dump/vocab/*/*"),
    _target("lm", "train_lm --lm sw", "dump/fbank/tgt_*/text dump/vocab/target/* dump/data/held_out.tsv", 0.3,
            "exp/lm"),
    _target("train", "train_system --system direct", "exp/source_asr/seed1/*.json exp/source_asr/seed1/*.yaml "
            "exp/source_asr/seed1/*.pth exp/source_asr/seed1/.stage.json dump/vocab/target/* dump/fbank/tgt_train/* "
            "dump/fbank/tgt_dev/*", 0.6, SYSTEM),
    _target("resume", "train_system --system direct", f"{SYSTEM}/phase1/*.pth {SYSTEM}/phase1/init.pth "
            f"{SYSTEM}/phase1/*.yaml {SYSTEM}/begun/.stage.json {SYSTEM}/*_shape", 0.6, unfinished=True),
    _target("decode", "decode --job direct+lm 1", f"{SYSTEM}/*.json {SYSTEM}/*.yaml {SYSTEM}/*.pth "
            f"{SYSTEM}/.stage.json dump/vocab/target/* dump/fbank/tgt_test/* exp/lm/sw/*", 1.0),
    _target("pack", f"pack {SYSTEM} packed", f"{SYSTEM}/*.json {SYSTEM}/*.yaml {SYSTEM}/*.pth {SYSTEM}/.stage.json "
            "dump/vocab/target/* dump/fbank/tgt_train/.stage.json dump/data/tgt_train/.stage.json exp/report/*.json "
            "exp/report/.stage.json", 0.5, config=False),
    _target("score", "score", "exp/*/seed1/decode*/*/* exp/*/seed1/decode*/*/score/* dump/fbank/*_test/text* "
            "dump/fbank/*_test/utt2* dump/fbank/tgt_train/utt2dur exp/*/seed1/model.json", 2.0),
    _target("report", "report", "exp/*/seed1/decode*/*/* exp/*/seed1/decode*/*/score/* exp/mt/*/score/* "
            "dump/data/leaks.json exp/report/* exp/report/.stage.json exp/*/seed1/model.json exp/lm/sw/model.json",
            3.0),
    _target("verify", "verify --dir .", "*/*/.stage.json exp/*/*/.stage.json exp/*/seed1/transfer.json "
            "*/*/.digests.json dump/fbank/*/feats.sha256", 1.0),
    *(_target("options", command, "", weight) for command, weight in (
        ("check_config --systems direct --seeds 1", 0.6), ("prepare --data data --out dump/data --nj 1", 0.3),
        ("make_vocab --dump dump", 0.2), ("score --systems direct --seeds 1", 0.4), ("report --seeds 1", 0.4),
        ("decode --job direct 1", 0.3), ("train --kind target --nj 1 --systems direct --seeds 1", 0.3),
        ("train_system --system direct --seed 1", 0.3), ("make_labels --nj 1 --shard 100", 0.2),
        ("tune_decoding --system direct --variant lm --grid lm_weight=0,0.3", 0.3),
        ("dump_fbank --data dump/data --out dump/fbank --nj 1", 0.2))))
