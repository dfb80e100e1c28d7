"""Systems of stock ESPnet: trained, killed and resumed, decoded and compared by ESPnet's own commands; bad input."""

from __future__ import annotations

import builtins
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import toy
import yaml

from stxfer.bin import report, score
from stxfer.core import modules
from stxfer.core.errors import ConfigError, DataError, StxferError
from stxfer.core.fileio import read_json
from stxfer.core.modules import run_module
from stxfer.core.stage import Stage
from stxfer.decoding import stock
from stxfer.decoding.stock import read_hypotheses
from stxfer.decoding.systems import Job, decode_job, tune_system
from stxfer.experiment.config import Experiment
from stxfer.experiment.espnet import StockModel
from stxfer.experiment.yaml_file import read_file
from stxfer.kaldi.table import read_table, write_table
from stxfer.model.config import read_config
from stxfer.model.transfer import load_state
from stxfer.prepare.vocab import make_vocabs
from stxfer.score.imported import with_imported
from stxfer.training.fit_system import fit_system
from stxfer.training.launch import with_sources

ROOT = Path(__file__).resolve().parents[1]
TINY = {"output_size": 16, "attention_heads": 2, "linear_units": 16, "num_blocks": 1}
MODEL: dict[str, Any] = {
    "encoder": "transformer", "encoder_conf": {**TINY, "input_layer": "conv2d"}, "decoder": "transformer",
    "decoder_conf": {key: value for key, value in TINY.items() if key != "output_size"}, "optim_conf": {"lr": 1e-2},
    "scheduler": "warmuplr"}
SYSTEM: dict[str, Any] = {"task": "asr", "data": "tgt_train", "text": "sw", "espnet": "transformer"}
SYSTEMS = {**toy.CONFIG["systems"], "stock": SYSTEM}
EPOCHS, STEPS = 3, 3


def declare(root: Path, model: dict[str, Any] = MODEL, **system: Any) -> Experiment:
    train = {**toy.CONFIG["train"], "stock": [{"epochs": EPOCHS}]}
    changes = {"systems": {**SYSTEMS, "stock": {**SYSTEM, "train": "stock", **system}}, "train": train}
    return toy.make_experiment(root, espnet={"transformer": model}, **changes)[0]


def fit(world: Path, exp: str = "exp", model: dict[str, Any] = MODEL) -> Path:
    experiment = declare(world, model)
    fit_system(experiment, experiment.systems["stock"], 1, world / "dump", world / exp)
    return world / exp / "stock" / "seed1"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features, vocabularies, a test set, and a system that stock ESPnet has trained in ``whole``."""
    root = tmp_path_factory.mktemp("stock")
    toy.make_dump(root)
    for name in ("tgt_train", "tgt_dev"):
        frames = read_table(root / "dump/fbank" / name / "utt2num_frames")
        write_table(root / "dump/fbank" / name / "utt2dur", {utt: f"{int(n) / 100}" for utt, n in frames.items()})
    shutil.copytree(root / "dump/fbank/tgt_dev", root / "dump/fbank/tgt_test")
    make_vocabs(declare(root), root / "dump")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{ROOT / 'tests/quick_espnet'}:{ROOT}")
        patch.chdir(root)
        fit(root, "whole")
    return root


@pytest.fixture
def quick(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as the working directory; ESPnet starts quickly."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'tests/quick_espnet'}:{ROOT}")
    monkeypatch.chdir(world)
    return world


def test_it_trains_on_the_same_sets_for_the_same_steps(world: Path) -> None:
    out = world / "whole/stock/seed1"
    info, config = read_json(out / "model.json"), yaml.safe_load((out / "espnet/config.yaml").read_text())
    assert [row["epoch"] for row in info["epochs"]] == [1, 2, 3] and info["espnet"]["steps"] == EPOCHS * STEPS
    assert info["epochs"][-1]["train_loss"] < info["epochs"][0]["train_loss"]
    assert info["train"]["utterances"] == toy.SIZES["tgt_train"]
    assert info["espnet"]["parameters"] == sum(v.numel() for v in load_state(out / "espnet/valid.acc.ave.pth").values())
    assert (config["max_epoch"], config["num_iters_per_epoch"], config["batch_bins"]) == (EPOCHS, STEPS, 600 * 80)
    assert config["token_list"] == (world / "dump/vocab/target/tokens.txt").read_text(encoding="utf-8").splitlines()
    assert config["scheduler_conf"] == {"warmup_steps": 2} and config["keep_nbest_models"] == 2  # a fifth of 9 steps
    assert config["train_data_path_and_name_and_type"][0][0] == str(world / "dump/fbank/tgt_train/feats.scp")
    assert [path.name for path in (out / "espnet").glob("*.pth")] == ["valid.acc.ave.pth"]
    assert not (out / "espnet/valid.acc.ave.pth").is_symlink()


def test_it_is_decoded_scored_and_compared(quick: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree("whole", "exp")
    experiment = declare(quick)
    found = decode_job(Job(experiment, experiment.decoded["stock"], 1, Path("dump"), Path("exp")))
    out = Path("exp/stock/seed1/decode/tgt_test")
    refs, hyps = read_table("dump/fbank/tgt_test/text"), read_table(out / "text")
    assert hyps.keys() == refs.keys() and found["utterances"] == len(refs)
    assert found["options"] == {"beam_size": 5, "ctc_weight": 0.3, "length_bonus": 0.0, "maxlenratio": 0.0,
                                "minlenratio": 0.0}
    other = Path("exp/scratch/seed1/decode/tgt_test")
    write_table(other / "text", refs)
    Stage("decode scratch", other).finish([other / "text"])
    capsys.readouterr()
    for step in (score, report):
        step.main(["--config", "toy.yaml", "--systems", "stock scratch"])
    results = read_json(Path("exp/report/results.json"))
    assert {(cell["system"], cell["baseline"]) for cell in results["comparisons"]} == {("scratch", "stock")}
    text = Path("exp/report/RESULTS.md").read_text(encoding="utf-8")
    assert "| stock | nothing, stock ESPnet (transformer) | " in text
    page = Path("exp/report/report.html").read_text(encoding="utf-8")
    assert "<title>stock; stock ESPnet (transformer); asr: tgt_train; WER " in page
    with pytest.raises(ConfigError, match="stock: nothing to tune"):
        tune_system(Job(experiment, experiment.decoded["stock"], 1, Path("dump"), Path("exp")), Path("tuned"))
    shutil.rmtree("exp")


def test_scores_are_read_as_pytorch_shows_them_on_a_gpu(quick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
                                                        ) -> None:
    utts = list(read_table("dump/fbank/tgt_test/text"))

    def infer(module: str, arguments: Sequence[str], directory: Path) -> None:
        out = directory / arguments[arguments.index("--output_dir") + 1] / "1best_recog"
        out.mkdir()
        for name, value in (("text", "a"), ("token", "a"), ("score", "tensor(-12.5, device='cuda:0')")):
            write_table(out / name, dict.fromkeys(utts, value))

    monkeypatch.setattr(stock, "run_module", infer)
    experiment = declare(quick)
    job = Job(experiment, experiment.decoded["stock"], 1, Path("dump"), Path("exp"))
    stock.decode_with_stock(Path("whole/stock/seed1"), job.data, tmp_path, job.decoded.options, job.profile)
    assert read_table(tmp_path / "logprob") == dict.fromkeys(utts, "-12.5000")


def test_a_killed_training_goes_on_and_ends_as_an_unbroken_one(quick: Path, monkeypatch: pytest.MonkeyPatch,
                                                               capsys: pytest.CaptureFixture[str]) -> None:
    def killing(line: str, **options: Any) -> None:
        builtins.print(line, **options)
        if f"2/{EPOCHS}epoch started" in line:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(modules, "print", killing, raising=False)
        fit(quick)
    assert not Path("exp/stock/seed1/model.json").exists()
    out = fit(quick)
    assert "The training was resumed using " in capsys.readouterr().out
    assert read_json(out / "model.json") == read_json(quick / "whole/stock/seed1/model.json")
    whole, resumed = (load_state(of / "espnet/valid.acc.ave.pth") for of in (quick / "whole/stock/seed1", out))
    assert whole.keys() == resumed.keys() and all(value.equal(resumed[name]) for name, value in whole.items())
    shutil.rmtree("exp")


def test_features_that_name_a_command_are_not_given_to_espnet(quick: Path) -> None:
    shutil.copytree(quick, quick.with_name("pipes"))
    os.chdir(quick.with_name("pipes"))
    path = Path("dump/fbank/tgt_dev/feats.scp")
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([f"{lines[0].split()[0]} touch ran |", *lines[1:]]) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="feats.scp"):
        fit(Path.cwd(), "exp")
    assert not Path("ran").exists()


def test_no_command_of_ours_opens_it(world: Path) -> None:
    with pytest.raises(DataError, match="stock ESPnet has trained this system, and its own commands alone open it"):
        read_config(world / "whole/stock/seed1")


def test_only_those_asked_for_are_trained(tmp_path: Path) -> None:
    experiment = declare(tmp_path)
    assert with_imported(experiment, tmp_path / "exp").compare == (("xfer_human", "scratch"),)
    assert "stock" not in {system.name for system in with_sources(experiment, ())}
    assert [system.name for system in with_sources(experiment, ["stock"])] == ["stock"]
    assert [way.name for way in experiment.select_decoded(["stock"])] == ["stock"]


def test_it_is_decoded_without_the_language_model(tmp_path: Path) -> None:
    lm = {"sw": {"text": ["tgt_train"]}}
    decoding = {"target": {"beam_size": 3, "lm": "sw"}}
    declared = toy.make_experiment(tmp_path, espnet={"transformer": MODEL}, systems=SYSTEMS, lm=lm, decode=decoding,
                                   variants={"wide": {"target": {"lm": "", "beam_size": 9}},
                                             "heavy": {"target": {"lm_weight": 0.9}}})[0]
    ways = {name: way.options for name, way in declared.decoded.items() if way.system.name == "stock"}
    assert {name: (options.lm, options.beam_size) for name, options in ways.items()} == {
        "stock": ("", 3), "stock+wide": ("", 9)}


@pytest.mark.parametrize(("model", "system", "message"), [
    ({"encoder_conf": {**TINY, "output_size": 15}}, {},
     "espnet.transformer.encoder_conf: output_size 15 cannot be shared out to 2 attention_heads"),
    ({"encoder_conf": {**TINY, "output_size": "large"}}, {},
     "espnet.transformer.encoder_conf: output_size 'large' must be a whole number of at least 1"),
    ({"decoder_conf": {"num_blocks": 0}}, {}, "decoder_conf: num_blocks 0 must be a whole number of at least 1"),
    ({"encoder": "transfomer"}, {}, "'transfomer' must be one of .*; did you mean 'transformer'"),
    ({"encoder": None}, {}, "espnet.transformer.encoder: is missing"),
    ({"batch_bins": 9}, {}, "espnet.transformer: unknown key 'batch_bins'; known: ctc_conf"),
    ({"warmup": 1.0}, {}, "espnet.transformer.warmup: 1.0 must be less than 1"),
    ({}, {"espnet": "transfomer"}, "systems.stock.espnet: 'transfomer' is not under 'espnet'; did you mean"),
    ({}, {"task": "st", "data": "src_train", "text": "sw.human"}, "stock.task: stock ESPnet is trained for task asr"),
    ({}, {"init": {"from": "scratch"}}, "systems.stock.init: stock ESPnet starts from nothing"),
    ({}, {"tags": True}, "systems.stock.tags: stock ESPnet starts from nothing"),
    ({}, {"train": "st"}, "systems.stock.train: 'st' has phases that differ in steps and average, ESPnet trains"),
])
def test_a_wrong_declaration_is_one_line(tmp_path: Path, model: dict[str, Any], system: dict[str, Any],
                                         message: str) -> None:
    train = {**toy.CONFIG["train"], "st": [{"ctc_weight": 0.0}, {"ctc_weight": 0.0, "steps": 5, "average": 1}]}
    merged = {key: value for key, value in {**MODEL, **model}.items() if value is not None}
    with pytest.raises(ConfigError, match=message) as raised:
        toy.make_experiment(tmp_path, espnet={"transformer": merged}, train=train,
                            systems={**SYSTEMS, "stock": {**SYSTEM, **system}})
    assert "\n" not in str(raised.value)


def test_nothing_starts_from_it(tmp_path: Path) -> None:
    heir = {"task": "asr", "data": "tgt_train", "text": "sw", "init": {"from": "stock"}}
    with pytest.raises(ConfigError, match="systems.heir.init.from: 'stock' is trained by ESPnet's own commands"):
        toy.make_experiment(tmp_path, espnet={"transformer": MODEL}, systems={**SYSTEMS, "heir": heir})


def test_an_imported_one_of_the_same_name_is_refused(tmp_path: Path) -> None:
    experiment = declare(tmp_path)
    place = tmp_path / "exp/stock/seed1/decode/tgt_test/espnet.json"
    place.parent.mkdir(parents=True)
    place.write_text("{}")
    with pytest.raises(ConfigError, match=r"espnet.json: 'stock' was imported, and is a system of the experiment, too"):
        with_imported(experiment, tmp_path / "exp")


def lacks(name: str, edit: Callable[[list[str]], list[str]] | None) -> Callable[[Path], None]:
    def damage(directory: Path) -> None:
        path = directory / name
        if edit is None:
            path.unlink()
        else:
            path.write_text("".join(edit(path.read_text(encoding="utf-8").splitlines(True))), encoding="utf-8")
    return damage


@pytest.mark.parametrize(("damage", "message"), [
    (lacks("text", lambda lines: lines[:-1]), "text: no hypothesis for 1 utterance, e.g. u3"),
    (lacks("score", lambda lines: lines[1:]), "score: no hypothesis for 1 utterance, e.g. u1"),
    (lacks("text", lambda lines: [*lines, "u4 x\n"]), "text: a hypothesis for, beside the test set's, 1 utterance"),
    (lacks("token", None), "token: ESPnet has left no such file")])
def test_hypotheses_that_are_missing_are_named(tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    utts = ["u1", "u2", "u3"]
    for name in ("text", "token", "score"):
        (tmp_path / name).write_text("".join(f"{utt} \n" for utt in utts))
    assert read_hypotheses(tmp_path, utts)["text"] == dict.fromkeys(utts, "")
    damage(tmp_path)
    with pytest.raises(DataError, match=message):
        read_hypotheses(tmp_path, utts)


def test_a_module_that_fails_is_one_line_and_its_output_is_shown(tmp_path: Path,
                                                                 capsys: pytest.CaptureFixture[str]) -> None:
    run_module("timeit", ["-n", "1", "print('done')"], tmp_path)
    assert "done\n" in capsys.readouterr().out
    with pytest.raises(StxferError, match=r"^timeit failed \(exit status 1\): ZeroDivisionError: division by zero$"):
        run_module("timeit", ["1 / 0"], tmp_path)
    with pytest.raises(StxferError, match="^timeit was killed by SIGKILL, most likely for memory$"):
        run_module("timeit", ["import os; os.kill(os.getpid(), 9)"], tmp_path)
    assert f"{tmp_path}$ " in (told := capsys.readouterr().out) and "Traceback" in told


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells a process that its parent has ended")
def test_a_module_ends_with_the_process_that_runs_it() -> None:
    code = "from pathlib import Path; from stxfer.core.modules import run_module; " \
           "run_module('timeit', ['-n', '1', 'import time; print(\"works\", flush=True); time.sleep(300)'], Path('.'))"
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None and "timeit" in runner.stdout.readline()
        assert runner.stdout.readline() == "works\n"
        child = Path(f"/proc/{Path(f'/proc/{runner.pid}/task/{runner.pid}/children').read_text().split()[0]}/stat")
        assert child.exists()
        runner.send_signal(signal.SIGKILL)
    ends = time.monotonic() + 60
    while child.exists() and child.read_text().rpartition(")")[2].split()[0] != "Z" and time.monotonic() < ends:
        time.sleep(0.05)
    assert not child.exists() or child.read_text().rpartition(")")[2].split()[0] == "Z"


def test_shipped_baselines_are_espnets_published_sizes() -> None:
    published = {name: StockModel.read(model, "espnet.yaml")
                 for name, model in read_file(ROOT / "conf/espnet.yaml")["espnet"].items()}
    assert {name: (model.encoder, model.model_conf["ctc_weight"], model.specaug) for name, model in published.items()} \
        == {"transformer": ("transformer", 0.3, "specaug"), "conformer": ("conformer", 0.3, "specaug"),
            "rnn": ("vgg_rnn", 0.3, "specaug")}
    conformer = published["conformer"]
    assert (conformer.encoder_conf["num_blocks"], conformer.decoder_conf["num_blocks"]) == (12, 6)
