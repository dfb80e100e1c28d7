r"""Time translating by this project and by its peers: the same models, the same beam, on one thread, in turn.

    tools/venv/bin/python tools/bench/mt.py --model egs2/mini_sw/asr1/exp/mt/mt \
        --text egs2/mini_sw/asr1/dump/data/bitext/test.en

Cases: ``trained``, a model trained here, against ESPnet's ``Text2Text``, one search a sentence; ``ctranslate2``, a
Marian model of 3 + 3 layers, d 128 (made here, trained for a moment so that its outputs end), from text to text,
against CTranslate2's own ``translate_iterable`` on tokens that are ready. Both translate the same sentences, and the
translations are compared; every difference of ``trained`` is looked into: whether the scores tie, and which one is
better. Runs take turns, and the median of ``--repeat`` counts; time is that of the processor, as others may use the
machine (on one thread it is the clock's where nobody does). The last line is JSON: sentences a second, and ours / peer.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from stxfer.experiment.training import Decoding
from stxfer.experiment.translators import CTranslate2
from stxfer.mt.translator import Translation
from stxfer.mt.translators.convert import convert_model
from stxfer.mt.translators.ctranslate2 import CTranslate2Translator
from stxfer.mt.translators.trained import TrainedTranslator

TIE = 1e-3  # of scores: sums of some tens of log probabilities, whose order of summing differs
Runs = list[tuple[list[Translation], float]]


def main() -> None:
    """Run the cases and print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="directory of a trained translator")
    parser.add_argument("--text", type=Path, required=True, help="source sentences, one a line")
    parser.add_argument("--sentences", type=int, default=600, help="translate the first so many")
    parser.add_argument("--peer-sentences", type=int, default=60, help="of these, how many ESPnet translates")
    parser.add_argument("--beam-size", type=int, default=4, help="beam")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with args.text.open(encoding="utf-8", newline="\n") as handle:
        sentences = [line.strip() for line in handle if line.strip()][:args.sentences]
    options = Decoding(beam_size=args.beam_size, ctc_weight=0.0, maxlenratio=3.0, batch_frames=2000)
    results = {}
    for name, run in (("trained", trained), ("ctranslate2", ctranslate2)):
        ours, peer, note = run(args, sentences, options)
        results[name] = {"ours": round(ours, 2), "peer": round(peer, 2), "ratio": round(ours / peer, 3)}
        print(f"{name:12} ours {ours:8.1f} sentences/s   peer {peer:8.1f}   ratio {ours / peer:6.2f}   {note}",
              flush=True)
    print(json.dumps(results))


def middle(runs: Runs) -> float:
    """Return the median speed of several runs."""
    return statistics.median(speed for _, speed in runs)


def timed(work: Callable[[], list[Translation]], count: int) -> tuple[list[Translation], float]:
    """Return the translations and the sentences a second."""
    start = time.process_time()
    found = work()
    return found, count / (time.process_time() - start)


def trained(args: argparse.Namespace, sentences: list[str], options: Decoding) -> tuple[float, float, str]:
    """Translate by a model trained here, and by ESPnet."""
    translator = TrainedTranslator(args.model, options)
    step = max(1, len(sentences) // args.peer_sentences)
    few = sentences[::step]  # of all lengths
    stock = espnet(args.model, translator, options)
    ours: Runs = []
    theirs: Runs = []
    for _ in range(args.repeat):
        ours.append(timed(lambda: [found[0] for found in translator.translate(sentences)], len(sentences)))
        theirs.append(timed(lambda: stock(few), len(few)))
    pairs = list(zip(ours[0][0][::step], theirs[0][0], strict=True))
    differ = [(a.score, b.score) for a, b in pairs if a.text != b.text]
    ties = sum(abs(a - b) <= TIE for a, b in differ)
    note = f"of {len(pairs)} translations {len(differ)} differ: {ties} ties, {sum(a > b + TIE for a, b in differ)} " \
           f"where ours scores higher, {sum(b > a + TIE for a, b in differ)} where ESPnet's does"
    return middle(ours), middle(theirs), note


def espnet(directory: Path, translator: TrainedTranslator, options: Decoding) -> Callable[[list[str]],
                                                                                        list[Translation]]:
    """Return ESPnet's translator of the same model."""
    with contextlib.redirect_stdout(io.StringIO()):
        from espnet2.bin.mt_inference import Text2Text

        stock = Text2Text(mt_train_config=directory / "config.yaml", mt_model_file=directory / "model.pth",
                          beam_size=options.beam_size, maxlenratio=options.maxlenratio, ctc_weight=0.0)
    loaded = translator.loaded
    assert loaded.source_tokenizer is not None and loaded.source_tokens is not None
    index = {token: i for i, token in enumerate(loaded.source_tokens)}

    def translate(sentences: list[str]) -> list[Translation]:
        found = []
        for sentence in sentences:
            pieces = loaded.source_tokenizer.encode(sentence, out_type=str)
            _, _, ids, hypothesis = stock(torch.tensor([index.get(piece, index["<unk>"]) for piece in pieces]))[0]
            kept = [loaded.tokens[i] for i in ids if i not in (0, loaded.model.eos)]
            found.append(Translation(loaded.tokenizer.decode_pieces(kept), float(hypothesis.score)))
        return found

    return translate


def ctranslate2(args: argparse.Namespace, sentences: list[str], options: Decoding) -> tuple[float, float, str]:
    """Translate by a converted Marian model from text to text, and tokens alone with CTranslate2's own loop."""
    with tempfile.TemporaryDirectory() as folder:
        make_marian(Path(folder) / "hub", sentences)
        convert_model(Path(folder) / "hub", Path(folder) / "model")
        translator = CTranslate2Translator(CTranslate2(model=f"{folder}/model", compute_type="int8"), options, 1)
        tokens = translator.pieces.encode(sentences)
        limits = {"max_decoding_length": 100}

        def bare() -> list[Translation]:
            found = translator.model.translate_iterable(
                tokens, max_batch_size=options.batch_frames, batch_type="tokens", beam_size=options.beam_size,
                return_scores=True, **limits)
            return [Translation(" ".join(result.hypotheses[0]), result.scores[0]) for result in found]

        ours: Runs = []
        theirs: Runs = []
        for _ in range(args.repeat):
            ours.append(timed(lambda: [found[0] for found in translator.translate(sentences)], len(sentences)))
            theirs.append(timed(bare, len(sentences)))
        texts = translator.pieces.decode([t.text.split(" ") for t in theirs[0][0]])
        differ = sum(a.text != b for a, b in zip(ours[0][0], texts, strict=True))
    return middle(ours), middle(theirs), f"of {len(sentences)} translations {differ} differ"


def make_marian(directory: Path, sentences: list[str]) -> None:
    """Write a Marian model of 3 + 3 layers that has learnt, for a moment, to repeat sentences: its outputs end."""
    import sentencepiece as spm
    import transformers

    directory.mkdir()
    with (directory / "source.spm").open("wb") as handle:
        spm.SentencePieceTrainer.train(sentence_iterator=iter(sentences), model_writer=handle, vocab_size=2000,
                                       hard_vocab_limit=False, bos_id=-1, eos_id=1, unk_id=0, minloglevel=2)
    (directory / "target.spm").write_bytes((directory / "source.spm").read_bytes())
    pieces = spm.SentencePieceProcessor(model_file=str(directory / "source.spm"))
    listed = [pieces.id_to_piece(i) for i in range(pieces.get_piece_size())]
    texts = [piece for piece in listed if piece not in ("</s>", "<unk>")]
    tokens = {token: number for number, token in enumerate(["</s>", "<unk>", *texts, "<pad>"])}
    (directory / "vocab.json").write_text(json.dumps(tokens), encoding="utf-8")
    pad = tokens["<pad>"]
    torch.manual_seed(1)
    model: Any = transformers.MarianMTModel(transformers.MarianConfig(
        vocab_size=len(tokens), d_model=128, encoder_layers=3, decoder_layers=3, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=512, decoder_ffn_dim=512, max_position_embeddings=512, dropout=0.0,
        activation_function="swish", static_position_embeddings=True, scale_embedding=True, pad_token_id=pad,
        eos_token_id=0, forced_eos_token_id=None, decoder_start_token_id=pad))
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    short = sorted(sentences, key=len)[:len(sentences) // 2]
    for step in range(300):
        batch = [short[(step * 16 + i) * 7 % len(short)] for i in range(16)]
        ids = [torch.tensor([*(tokens.get(p, 1) for p in pieces.encode(s, out_type=str)), 0]) for s in batch]
        source = torch.nn.utils.rnn.pad_sequence(ids, True, pad)
        optimiser.zero_grad()
        model(input_ids=source, attention_mask=(source != pad).long(),
              labels=source.masked_fill(source == pad, -100)).loss.backward()
        optimiser.step()
    with torch.no_grad():
        model.get_input_embeddings().weight[-1] = 0
    model.save_pretrained(directory)


if __name__ == "__main__":
    main()
