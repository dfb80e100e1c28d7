"""Pretrained speech models of random weights, small enough to run in milliseconds, and speech for them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers

import numpy as np
import soundfile
import tokenizers
import torch
import toy
import transformers

from stxfer.core.fileio import write_json
from stxfer.kaldi.datadir import DataDir, write_datadir

SIZE, LAYERS = 32, 4
SMALL = {"hidden_size": SIZE, "num_hidden_layers": LAYERS, "num_attention_heads": 2, "intermediate_size": 48}
CONVOLUTIONS = {"conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
LARGE = {"do_stable_layer_norm": True, "feat_extract_norm": "layer"}  # as XLS-R, and the larger of the others
# By family: configuration, what is saved (with heads, as on the hub), what prepares its input.
MODELS: dict[str, tuple[str, dict[str, Any], str, Any]] = {
    "wav2vec2": ("Wav2Vec2Config", {**CONVOLUTIONS, **LARGE}, "Wav2Vec2ForPreTraining",
                 transformers.Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)),
    "hubert": ("HubertConfig", CONVOLUTIONS, "HubertForCTC",
               transformers.Wav2Vec2FeatureExtractor(do_normalize=False)),
    "wavlm": ("WavLMConfig", {**CONVOLUTIONS, **LARGE}, "WavLMModel",
              transformers.Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)),
    "wav2vec2-bert": ("Wav2Vec2BertConfig", {"output_hidden_size": SIZE, "conv_depthwise_kernel_size": 5},
                      "Wav2Vec2BertForCTC", transformers.SeamlessM4TFeatureExtractor(padding_value=1)),
    "whisper": ("WhisperConfig", {"d_model": SIZE, "encoder_layers": LAYERS, "encoder_attention_heads": 2,
                                  "encoder_ffn_dim": 48, "decoder_layers": 1, "decoder_attention_heads": 2,
                                  "decoder_ffn_dim": 48, "max_source_positions": 100, "pad_token_id": 0,
                                  "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1},
                "WhisperForConditionalGeneration", transformers.WhisperFeatureExtractor(chunk_length=2)),
}


def save_model(family: str, directory: Path) -> Path:
    config, own, network, processor = MODELS[family]
    torch.manual_seed(1)
    common = {} if family == "whisper" else SMALL
    model = getattr(transformers, network)(getattr(transformers, config)(**common, vocab_size=12, **own))
    model.save_pretrained(directory)
    processor.save_pretrained(directory)
    return directory


def save_whisper(directory: Path, **config: Any) -> Path:
    """A whole Whisper, with a tokenizer of the toy's words and a window of 2 s, that knows Swahili and German."""
    save_model("whisper", directory)
    bpe = tokenizers.Tokenizer(tokenizers.models.BPE())
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.train_from_iterator([toy.swahili(text) for text in toy.ENGLISH], tokenizers.trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    learnt = json.loads(bpe.to_str())["model"]
    special = ["<|endoftext|>", "<|startoftranscript|>", "<|de|>", "<|sw|>", "<|translate|>", "<|transcribe|>",
               "<|notimestamps|>"]
    tokenizer = transformers.WhisperTokenizer(learnt["vocab"], [tuple(pair) for pair in learnt["merges"]])
    tokenizer.add_special_tokens({"additional_special_tokens": special[1:]})
    tokenizer.save_pretrained(directory)
    end, start, de, sw, translate, transcribe, silent = tokenizer.convert_tokens_to_ids(special)
    own = {**MODELS["whisper"][1], "vocab_size": len(tokenizer), "max_target_positions": 40, "pad_token_id": end,
           "bos_token_id": end, "eos_token_id": end, "decoder_start_token_id": start, **config}
    torch.manual_seed(1)
    model = transformers.WhisperForConditionalGeneration(transformers.WhisperConfig(**own))
    model.save_pretrained(directory)
    write_json(directory / "generation_config.json", {
        "bos_token_id": end, "eos_token_id": end, "pad_token_id": end, "decoder_start_token_id": start,
        "is_multilingual": True, "lang_to_id": {"<|de|>": de, "<|sw|>": sw}, "max_length": 40,
        "no_timestamps_token_id": silent, "task_to_id": {"transcribe": transcribe, "translate": translate}})
    return directory


def speech(seconds: float, seed: int = 0) -> np.ndarray:
    """A sum of tones that come and go, and noise: float32 at 16 kHz."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * 16000)) / 16000
    tones = sum(np.sin(2 * np.pi * hertz * time) * (np.sin(2 * np.pi * (k + 1) * time) > 0)
                for k, hertz in enumerate(rng.integers(150, 3500, 4)))
    return (0.05 * tones + 0.01 * rng.normal(size=len(time))).astype(np.float32)


def write_audio(root: Path, sets: dict[str, dict[str, str]]) -> None:
    """Write data directories whose words are chords, 0.2 s each."""
    words = {word: speech(0.2, seed=seed) for seed, word in enumerate([*toy.WORDS, *toy.WORDS.values()])}
    for name, text in sets.items():
        data = DataDir(root / "data" / name, {}, text, {utt: utt for utt in text})
        (root / "wav").mkdir(exist_ok=True)
        for utt, sentence in text.items():
            data.wav_scp[utt] = str(root / "wav" / f"{utt}.wav")
            samples = np.concatenate([words[word] for word in sentence.split()])
            data.utt2dur[utt] = len(samples) / 16000
            soundfile.write(data.wav_scp[utt], samples, 16000)
        write_datadir(data.path, data)
