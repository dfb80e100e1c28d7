"""Languages written without spaces: how they are measured, cleaned, scored and reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from scored import CONFIG, make_experiment

from stxfer.bin import report, score
from stxfer.core.errors import ConfigError, DataError
from stxfer.corpora.bitext.rules import CleanOptions, problem
from stxfer.mt.translator import checked
from stxfer.score.asr import char_errors, metrics
from stxfer.score.st import sentence_statistics, translation_scores, usable_tokeniser
from stxfer.text.profiles import profile
from stxfer.text.words import count_tokens, count_words, join, spread

ENGLISH = "the children went to the river this morning because their mother wanted fresh water"
TRANSLATIONS = {  # of the sentence above, normalised
    "zh": "孩子们今天早上去了河边因为他们的母亲想要新鲜的水",
    "yue": "啲細路今朝去咗河邊因為佢哋阿媽想要新鮮水",
    "ja": "お母さんが新鮮な水を欲しがったので子供たちは今朝川へ行きました",
    "th": "เด็กๆไปที่แม่น้ำเมื่อเช้านี้เพราะแม่ของพวกเขาอยากได้น้ำสะอาด",
    "lo": "ເດັກນ້ອຍໄດ້ໄປແມ່ນ້ຳໃນເຊົ້ານີ້ເພາະແມ່ຂອງເຂົາເຈົ້າຕ້ອງການນ້ຳສະອາດ",
    "km": "ក្មេងៗបានទៅទន្លេព្រឹកនេះពីព្រោះម្តាយរបស់ពួកគេចង់បានទឹកស្អាត",
    "my": "ကလေးတွေဒီမနက်မြစ်ကိုသွားခဲ့ကြတယ်ဘာလို့လဲဆိုတော့သူတို့အမေကရေသန့်လိုချင်လို့ပါ",
    "bo": "དེ་རིང་ཞོགས་པར་ཕྲུ་གུ་ཚོ་གཙང་པོར་ཕྱིན་པ་རེད་གང་ཡིན་ཟེར་ན་ཁོ་ཚོའི་ཨ་མས་ཆུ་གཙང་མ་དགོས་པ་རེད"}


@pytest.mark.parametrize("text, words, tokens, spread_out, joined", [
    ("", 0, 0, "", ""),
    ("habari ya asubuhi", 3, 3, "habari ya asubuhi", "habari ya asubuhi"),
    ("мы идём домой", 3, 3, "мы идём домой", "мы идём домой"),
    ("오늘 아침에 갔다", 3, 3, "오늘 아침에 갔다", "오늘 아침에 갔다"),  # Korean has spaces
    ("tôi yêu em", 3, 3, "tôi yêu em", "tôi yêu em"),
    ("我爱 你", 2, 3, "我 爱 你", "我爱你"),
    ("我用 python 写 code", 4, 5, "我 用 python 写 code", "我用python写code"),
    ("猫が好き", 2, 4, "猫 が 好 き", "猫が好き"),
    ("สวัสดี ครับ", 2, 10, "ส ว ั ส ด ี ค ร ั บ", "สวัสดีครับ"),
    ("今天，很好。", 3, 6, "今 天 ， 很 好 。", "今天，很好。"),
    ("ಕನ್ನಡ ಭಾಷೆ", 2, 2, "ಕನ್ನಡ ಭಾಷೆ", "ಕನ್ನಡ ಭಾಷೆ")])
def test_lengths(text: str, words: int, tokens: int, spread_out: str, joined: str) -> None:
    assert (count_words(text), count_tokens(text)) == (words, tokens)
    assert (spread(text), join(text)) == (spread_out, joined)


@pytest.mark.parametrize("lang", TRANSLATIONS)
def test_a_translation_is_as_long_as_its_source_and_a_text_of_many_is_not(lang: str) -> None:
    text = TRANSLATIONS[lang]
    assert 0.5 * count_words(ENGLISH) < count_words(text) < 2 * count_words(ENGLISH)
    assert problem((ENGLISH, text), CleanOptions()) is None
    assert problem((text, ENGLISH), CleanOptions()) is None
    assert problem((ENGLISH, 5 * text), CleanOptions()) == "ratio"
    assert problem((text, text[:3]), CleanOptions()) == "ratio"
    assert problem((20 * ENGLISH[:40], 20 * text), CleanOptions(max_chars=0)) == "long"


def test_a_text_that_lost_its_line_ends_is_no_sentence_in_any_script() -> None:
    with pytest.raises(DataError, match="1112 words, and a sentence has at most 1000"):
        checked(["水" * 2000])
    assert checked(["水" * 1000, "", "ab"]) == [0, 2]


REFERENCE = {"u1": "今天天气很好", "u2": "我去学校"}


@pytest.mark.parametrize("lang, ref, hyp, n_ref, errors", [
    ("zh", "今天天气很好", "今天 天 气很坏", 6, 1),
    ("cmn_hans_cn", "今天 天气 很 好", "今天天气很好", 6, 0),
    ("yue_hant_hk", "我哋去學校", "我地去學校", 5, 1),
    ("ja", "猫が 好き です", "猫が好きだ", 6, 2),
    ("th", "ฉัน ไป โรงเรียน", "ฉันไปโรงเรียน", 13, 0),
    ("km_kh", "ខ្ញុំ ទៅ សាលា", "ខ្ញុំទៅសាលា", 11, 0),
    ("my", "ကျောင်း သွား", "ကျောင်းသွာ", 11, 1),
    ("lo", "ຂ້ອຍ ໄປ", "ຂ້ອຍໄປ", 6, 0),
    ("bo", "ང་ སློབ་གྲྭར", "ང་སློབ་གྲྭར", 11, 0)])
def test_characters_are_counted_and_spaces_are_not(lang: str, ref: str, hyp: str, n_ref: int, errors: int) -> None:
    spaced = profile(lang).spaced
    found = char_errors({"u": ref}, {"u": hyp}, "n", spaced=spaced)
    assert (found.total.n_ref, found.total.errors) == (n_ref, errors)
    assert found.signature.startswith("cer|space:ignored|n|") and metrics(spaced) == ("cer",)


@pytest.mark.parametrize("tokeniser, ref, hyp, n_ref, value", [
    ("13a", "我们今天去北京", "我们今天去南京", 1, 0.0),  # what a tokeniser for spaces makes of it
    ("zh", "我们今天去北京", "我们今天去南京", 7, 64.3459),
    ("zh", "我们 今天 去 北京", "我们今天去北京", 7, 100.0),
    ("char", "ฉันไปโรงเรียน", "ฉันไปโรงเรียน", 13, 100.0),
    ("char", "ฉัน ไป โรงเรียน", "ฉันไปโรงเรียน", 13, 100.0),
    ("char", "ខ្ញុំទៅសាលា", "ខ្ញុំទៅសាលែ", 11, 89.3154),
    ("char", "猫が好きです", "猫が 好きです", 6, 100.0)])
def test_bleu_counts_what_the_tokeniser_finds(tokeniser: str, ref: str, hyp: str, n_ref: int, value: float) -> None:
    found = translation_scores([ref], [hyp], "norm", tokeniser)
    assert (found["bleu"].n_ref, round(found["bleu"].value, 4)) == (n_ref, value)
    assert f"|tok:{tokeniser}|" in found["bleu"].signature and found["bleu"].tokeniser == tokeniser
    assert sentence_statistics("bleu", [ref], [hyp], tokeniser)[0, 1] == n_ref


def test_a_tokeniser_that_is_not_there(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def absent(**_: Any) -> None:
        raise RuntimeError("not installed")

    monkeypatch.setattr("stxfer.score.st.BLEU", absent)
    usable_tokeniser.cache_clear()
    assert usable_tokeniser("ja-mecab") == "char" and "pip install 'sacrebleu[ja]'" in caplog.text
    with pytest.raises(ConfigError, match="tokeniser flores200 cannot be used .*'bleu: char'"):
        usable_tokeniser("flores200")
    usable_tokeniser.cache_clear()


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The made-up experiment with Chinese for its target, every letter a Chinese character."""
    make_experiment(tmp_path)
    letters = dict(zip("abcdefghijklmnopqrstuvwxyz'",
                       "的一是不了在人有我他这中大来上国和地到以说时要就出会也", strict=True))
    for path in [*tmp_path.glob("dump/fbank/tgt_test/text"), *tmp_path.glob("dump/fbank/src_test/text.sw.human"),
                 *tmp_path.glob("exp/*/seed1/decode/tgt_test/text"),
                 *tmp_path.glob("exp/st_*/seed1/decode/*/text")]:
        lines = [line.partition(" ") for line in path.read_text("utf-8").splitlines()]
        path.with_name(path.name.replace(".sw.", ".zh.")).write_text("".join(
            f"{utt} {text.translate(str.maketrans(letters))}\n" for utt, _, text in lines), "utf-8")
    Path(tmp_path, "toy.yaml").write_text(CONFIG.replace("target: sw", "target: zh").replace("text: sw", "text: zh"),
                                          "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_report_of_a_language_without_spaces_has_no_words(recipe: Path) -> None:
    score.main(["--config", "toy.yaml", "--allow-stale"])
    found = json.loads(Path("exp/direct/seed1/decode/tgt_test/score/score.json").read_text("utf-8"))
    assert list(found["metrics"]) == ["cer"]
    report.main(["--config", "toy.yaml", "--allow-stale"])
    results = json.loads(Path("exp/report/results.json").read_text("utf-8"))
    assert {cell["metric"] for cell in results["summary"] if cell["set"] == "tgt_test"} == {"cer"}
    assert results["signatures"]["cer tgt_test"].startswith("cer|space:ignored|norm:zh.")
    assert "|tok:zh|" in results["signatures"]["bleu src_test"]
    text = Path("exp/report/RESULTS.md").read_text("utf-8")
    assert "| system | starts from | hours | CER % | [95 %] |" in text
    assert "- direct is better than scratch by" in text and "% relative CER [" in text
    assert "![Character error rates and relative reductions](report.png)" in text
    assert "CER of a language written without spaces (space:ignored) counts none" in text
    assert "characters; lower is better" in text


def test_words_that_a_segmenter_found_are_counted(recipe: Path) -> None:
    config = Path("toy.yaml").read_text("utf-8")
    Path("toy.yaml").write_text(config + "normalise: {zh: {words: spaces}}\n", "utf-8")
    score.main(["--config", "toy.yaml", "--systems", "direct", "--allow-stale"])
    found = json.loads(Path("exp/direct/seed1/decode/tgt_test/score/score.json").read_text("utf-8"))
    assert list(found["metrics"]) == ["wer", "cer"] and found["metrics"]["wer"]["n_ref"] == 240
    assert found["metrics"]["cer"]["signature"].startswith("cer|space:counted|")


def test_scores_of_two_tokenisers_are_never_compared(recipe: Path) -> None:
    score.main(["--config", "toy.yaml", "--allow-stale"])
    config = Path("toy.yaml").read_text("utf-8")
    Path("toy.yaml").write_text(config + "normalise: {zh: {bleu: char}}\n", "utf-8")
    score.main(["--config", "toy.yaml", "--allow-stale", "--systems", "st_mt"])
    with pytest.raises(DataError, match=r"st_human.* and .*st_mt.* cannot be compared, their bleu was computed in two "
                                        r"ways: one is bleu\|norm:zh.*tok:zh.*, the other bleu.*tok:char"):
        report.main(["--config", "toy.yaml", "--allow-stale"])


def test_translators_scored_in_two_ways_are_refused(recipe: Path) -> None:
    score.main(["--config", "toy.yaml", "--allow-stale"])
    for label, tokeniser in (("one", "zh"), ("two", "char")):
        path = Path(f"exp/mt/{label}/score/score.json")
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"pairs": 9, "kept": 9, "metrics": {"bleu": {
            "value": 20.0, "n_utts": 9, "n_ref": 90, "signature": f"bleu|norm:zh|tok:{tokeniser}"}}}), "utf-8")
    with pytest.raises(DataError, match=r"mt/one/.* and .*mt/two/.* cannot be compared: one is .*tok:zh.*score_mt"):
        report.main(["--config", "toy.yaml", "--allow-stale"])
