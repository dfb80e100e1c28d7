"""Batches by the memory of a GPU, which none of these tests needs: its sizes and its errors are made up."""

from __future__ import annotations

import logging
import multiprocessing
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import tiny_system
import torch
from hypothesis import given
from hypothesis import strategies as st

from stxfer.core import pool
from stxfer.core.errors import StxferError
from stxfer.decoding import decode
from stxfer.decoding.decode import Decoded, decode_batch, decode_dataset, encode, search_nbest
from stxfer.decoding.memory import ENOUGH, FRAME_BYTES, batch_frames, fitted, mixed_precision
from stxfer.experiment.training import Decoding
from stxfer.model.load import LoadedModel
from stxfer.transcription.system import SpeechSystem, open_system

GPU, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_system.make_work(tmp_path_factory.mktemp("memory"))


@pytest.fixture(scope="module")
def system(work: Path) -> SpeechSystem:
    return open_system(work / "exp/direct/seed1")


def full(at_most: int) -> Any:
    """Return a piece of work for which the memory is too small from so many items on."""
    def work(batch: list[int]) -> int:
        if len(batch) > at_most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return sum(batch)
    return work


def test_what_does_not_fit_is_halved_and_what_follows_too(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        done = list(fitted([list(range(8)), list(range(8, 12)), [12]], full(3)))
    assert [part for part, _ in done] == [[0, 1], [2, 3], [4, 5], [6, 7], [8], [9], [10], [11], [12]]
    assert [made for _, made in done] == [sum(part) for part, _ in done]
    assert [record.message.split(";")[0] for record in caplog.records] == \
        [f"the GPU's memory does not hold a batch of {n}" for n in (8, 4)]


@given(st.lists(st.lists(st.integers(), min_size=1, max_size=20), max_size=6), st.integers(1, 8))
def test_nothing_is_lost_or_done_twice(batches: list[list[int]], at_most: int) -> None:
    done = list(fitted(batches, full(at_most)))
    assert [item for part, _ in done for item in part] == [item for batch in batches for item in batch]
    assert all(made == sum(part) and len(part) <= at_most for part, made in done)


def test_a_single_one_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(StxferError, match="a single utterance"):
        list(fitted([[1, 2]], full(0)))


@pytest.mark.parametrize("free, expected", [(5 * FRAME_BYTES, 5), (0, 1), (10 ** 13, ENOUGH),
                                            (30000 * FRAME_BYTES, 30000)])
def test_batches_are_as_large_as_the_memory_holds(free: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda where: (free, 10 ** 13))
    assert batch_frames(20000, GPU) == expected
    assert batch_frames(20000, CPU) == 20000


def test_a_set_is_decoded_the_same_in_the_batches_that_fit(work: Path, system: SpeechSystem, tmp_path: Path,
                                                           monkeypatch: pytest.MonkeyPatch,
                                                           caplog: pytest.LogCaptureFixture) -> None:
    def tight(model: Any, features: dict[str, Any], *others: Any) -> list[Decoded]:
        if len(features) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return decode_batch(model, features, *others)

    assert isinstance(system.model, LoadedModel)

    def decoded(name: str) -> list[str]:
        loaded = system.model
        assert isinstance(loaded, LoadedModel)
        decode_dataset(loaded.model, loaded.tokens, loaded.tokenizer, work / "dump/fbank/tgt_train/feats.scp",
                       tmp_path / name, system.decoding)
        return [(tmp_path / name / table).read_text(encoding="utf-8") for table in ("text", "token")]

    whole = decoded("whole")
    monkeypatch.setattr(decode, "decode_batch", tight)
    assert decoded("parted") == whole and "the GPU's memory does not hold a batch of 4" in caplog.text


def test_bfloat16_is_for_gpus_and_summed_in_single_precision(system: SpeechSystem) -> None:
    assert isinstance(mixed_precision(True, CPU), nullcontext) and isinstance(mixed_precision(False, GPU), nullcontext)
    assert isinstance(system.model, LoadedModel) and system.extractor is not None
    model, options = system.model.model, Decoding(beam_size=3, ctc_weight=0.3, maxlenratio=0.3)
    features = system.extractor([tiny_system.speak("mama anapika")], ["a"])[0]
    exact = search_nbest(model, [encode(model, "a", features)], options)[0][0]
    with torch.autocast("cpu", torch.bfloat16):
        rough = search_nbest(model, [encode(model, "a", features)], options)[0][0]
    assert rough.score == pytest.approx(exact.score, rel=0.1) and rough.score != exact.score
    assert sum(rough.gains) == pytest.approx(rough.score, abs=1.0)


def test_workers_of_a_pool_see_a_device_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_follow_parent", lambda: None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    begun = multiprocessing.get_context("spawn").Value("i", 0)
    seen = []
    for _ in range(3):
        pool._begin(["GPU-1", "GPU-2"], begun)
        seen.append(os.environ["CUDA_VISIBLE_DEVICES"])
    assert seen == ["GPU-1", "GPU-2", "GPU-1"]
    pool._begin([], begun)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-1"
