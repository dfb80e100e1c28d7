"""The page report.html: what it shows, that text of a corpus stays text and, in a browser, that it works."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from browser import Page, running
from hypothesis import given
from hypothesis import strategies as some
from rapidfuzz.distance import Levenshtein
from scored import decode, make_experiment

from stxfer.bin import report as command
from stxfer.bin import score
from stxfer.core.cost import Cost, machine
from stxfer.core.stage import Stage
from stxfer.core.workdir import ROOT
from stxfer.experiment.config import load_experiment
from stxfer.kaldi.table import read_table, write_table
from stxfer.report.html.charts import nice_ticks
from stxfer.report.html.graph import Edge, Graph, Node, picture
from stxfer.report.html.page import embedded_json
from stxfer.report.html.provenance import Made, cost_table
from stxfer.report.html.tables import SPEAKERS, breakdown_tables
from stxfer.report.html.utterances import evenly
from stxfer.score.alignment import edits
from stxfer.text.normalise import normalise

ATTACK = "document.title='taken'"
INJECTION = f"</script><script>{ATTACK}</script> <img src=x onerror={ATTACK}> &amp; \u202eabc"
NORMALISE = "normalise: {sw: {case: keep, punctuation: keep, markup: keep, angle: keep}}\n"
CONFIG = ["--config", "toy.yaml"]
OUT = Path("exp/report")
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "device_scale_factor": 2}


def make_audio(root: Path, utts: list[str]) -> None:
    """Write a tone for each of some utterances of tgt_test."""
    folder, times = root / "data" / "audio", np.arange(16000) / 16000
    folder.mkdir(parents=True)
    for number, _ in enumerate(utts):
        soundfile.write(folder / f"tone #{number}.wav", 0.1 * np.sin(2 * np.pi * 440 * times), 16000)
    prepared = root / "dump" / "data" / "tgt_test"
    write_table(prepared / "wav.scp", {utt: f"data/audio/tone #{number}.wav" for number, utt in enumerate(utts)})
    for name in ("text", "utt2spk"):
        write_table(prepared / name, dict.fromkeys(utts, "mtu"))
    Stage("prepare tgt_test", prepared).finish([prepared / "wav.scp"])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scored experiment with one transcript and one hypothesis that attack the page, and some audio."""
    root = tmp_path_factory.mktemp("page")
    (root / ROOT).touch()
    config = make_experiment(root)
    config.write_text(config.read_text() + NORMALISE)
    said = normalise(INJECTION, load_experiment(config).profile("sw"))
    folder = root / "dump" / "fbank" / "tgt_test"
    refs = read_table(folder / "text")
    first, second = list(refs)[:2]
    write_table(folder / "text", {**refs, first: said})
    write_table(folder / "utt2dur", dict.fromkeys(refs, "2.5"))
    write_table(folder / "utt2spk", {utt: f"<b>s{number % 8}" for number, utt in enumerate(refs)})
    Stage("features tgt_test", folder).finish([folder / "text"])
    for system in ("scratch", "direct", "xfer_human", "xfer_mt"):
        hyps = root / "exp" / system / "seed1" / "decode" / "tgt_test"
        decode(root, system)
        if system == "xfer_mt":
            write_table(hyps / "text", {**read_table(hyps / "text"), first: said, second: INJECTION})
        Stage(f"decode {system}", hyps).finish([hyps / "text"])
    make_audio(root, [first, second])
    (root / "dump/data/stats.json").write_text(json.dumps({"tgt_<test>": {
        "utterances": 40, "speakers": 8, "hours": 0.03, "seconds": dict.fromkeys(
            ("min", "5 %", "25 %", "median", "75 %", "95 %", "max"), 2.5),
        "texts": {"text": {"words": 240, "distinct_words": 19, "oov": 0.1}}}}))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        score.main(CONFIG)
        command.main(CONFIG)
    return root


@pytest.fixture
def recipe(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to work in."""
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with running() as browser:
        yield browser


class Elements(HTMLParser):
    """Start tags with their attributes, and the content of script elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script":
            self.scripts[-1] += data


def groups(page: str) -> list[dict[str, Any]]:
    return json.loads(Elements(page).scripts[0])


def test_text_of_a_corpus_stays_text(root: Path) -> None:
    page = (root / OUT / "report.html").read_text(encoding="utf-8")
    elements = Elements(page)
    assert [attrs.get("type") for tag, attrs in elements.tags if tag == "script"] == ["application/json", None]
    assert not {"img", "iframe", "object", "link", "base", "b"} & {tag for tag, _ in elements.tags}
    assert not [name for _, attrs in elements.tags for name in attrs if name.startswith("on") or name == "style"]
    assert "&lt;b&gt;s0" in page and "tgt_&lt;test&gt;" in page and "\u202e" not in page.partition("<script")[0]
    group = groups(page)[0]
    assert group["systems"] == ["scratch", "direct", "xfer_human", "xfer_mt"] and group["unit"] == "word"
    first = group["utts"][0]
    assert first[1] == "<b>s0" and first[2] == 2.5 and "</script><script>" in first[4] and first[8] == 0
    assert group["utts"][1][8][0] == INJECTION


def test_nothing_may_be_loaded_but_what_it_holds_and_links_to(root: Path) -> None:
    page = (root / OUT / "report.html").read_text(encoding="utf-8")
    policy = next(attrs["content"] for tag, attrs in Elements(page).tags
                  if attrs.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and rules["media-src"] == "'self' data:"
    assert re.fullmatch(r"'sha256-[\w+/=]{44}'", rules["script-src"])
    assert not re.search(r"(src|href|action)=\"?(https?:)?//", page)


def test_alignments_are_those_that_were_counted(root: Path) -> None:
    group = groups((root / OUT / "report.html").read_text(encoding="utf-8"))[0]
    for number, system in enumerate(group["systems"]):
        rows = [json.loads(line) for line in
                (root / f"exp/{system}/seed1/decode/tgt_test/score/utts.jsonl").read_text().splitlines()]
        for row, utt in zip(rows, group["utts"], strict=True):
            found = "" if utt[5 + number] == 0 else utt[5 + number][1]
            assert {key: found.count(key[0]) for key in ("sub", "del", "ins")} == \
                {key: row["wer"][key] for key in ("sub", "del", "ins")}
            assert utt[5 + number] == 0 or utt[5 + number][0] == row["hyp"]


def test_audio_is_linked_where_it_is_and_embedded_on_request(recipe: Path) -> None:
    page = (OUT / "report.html").read_text(encoding="utf-8")
    addresses = [utt[3] for utt in groups(page)[0]["utts"]]
    assert addresses[:3] == ["../../data/audio/tone%20%230.wav", "../../data/audio/tone%20%231.wav", ""]
    command.main([*CONFIG, "--embed-audio", "40", "--utterances", "20"])
    group = groups((OUT / "report.html").read_text(encoding="utf-8"))[0]
    assert len(group["utts"]) == 20 and group["total"] == 40
    assert group["utts"][0][3].startswith("data:audio/mpeg;base64,") and not any(utt[3] for utt in group["utts"][1:])


def test_a_page_without_utterances_is_a_page(recipe: Path) -> None:
    command.main([*CONFIG, "--utterances", "0"])
    page = (OUT / "report.html").read_text(encoding="utf-8")
    assert "Utterances</h2>" not in page and "application/json" not in page and "direct is better than scratch" in page


def test_it_says_what_makes_it_again_and_what_it_cost(recipe: Path) -> None:
    command.main([*CONFIG, "--command", "./run.sh --seeds '1'"])
    command.main([*CONFIG, "--utterances", "3"])  # by hand: the command stays
    page = (OUT / "report.html").read_text(encoding="utf-8")
    assert len(groups(page)[0]["utts"]) == 3 and "<code>./run.sh --seeds &#39;1&#39;</code>" in page
    assert "./run.sh --seeds '1'" in (OUT / "RESULTS.md").read_text(encoding="utf-8")
    assert "What the stages cost" in page and f"<dt>machine</dt><dd>{html.escape(machine())}</dd>" in page
    shutil.rmtree(OUT)
    command.main(CONFIG)
    assert "python -m stxfer.bin.report --config toy.yaml" in (OUT / "RESULTS.md").read_text(encoding="utf-8")


def test_costs_of_a_stage_add_up() -> None:
    def made(step: str, cost: Cost | None) -> Made:
        return Made("exp/x", "x", step, "1", "0", "", (), cost)

    cost: Cost = {"directory": "exp/x", "digest": "0", "seconds": 60, "core_seconds": 1800, "memory": 2 ** 30,
                  "machine": "m"}
    one = [made("decode", cost), made("decode", {**cost, "memory": 2 ** 31}), made("score", None), made("report", cost)]
    assert list(cost_table(one).rows) == [
        ("decode", "2", "2.0", "1.000", "2.00"), ("report", "1", "1.0", "0.500", "1.00"),
        ("all", "3", "3.0", "1.500", "2.00")]


def test_of_many_speakers_those_who_say_most_are_listed() -> None:
    rows = [{"system": "a", "by": "speaker", "kind": f"s{n}", "n_utts": n, "value": 1.0} for n in range(SPEAKERS + 5)]
    (found,) = breakdown_tables({"utterances": rows, "words": []})
    assert len(found.rows) == SPEAKERS and found.rows[0][0] == f"s{SPEAKERS + 4}" and "who say most" in found.name


def test_counts_that_are_none_are_refused(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main([*CONFIG, "--utterances", "-1"])
    assert "'-1': a whole number, 0 or more, is needed" in capsys.readouterr().err


@given(some.lists(some.text("</script>&\u2028\u2029\\\"abc\0\u202e") | some.integers()))
def test_embedded_json_ends_no_script_and_is_the_same_value(value: list[str | int]) -> None:
    text = str(embedded_json(value))
    assert json.loads(text) == value and not re.search("[<>&\u2028\u2029]", text)


WORDS = some.lists(some.sampled_from("abc"), max_size=8)


@given(WORDS, WORDS)
def test_edits_lead_from_the_reference_to_the_hypothesis(ref: list[str], hyp: list[str]) -> None:
    said, written, found = iter(ref), iter(hyp), edits(ref, hyp)
    for edit in found:
        word = None if edit == "i" else next(said)
        other = None if edit == "d" else next(written)
        assert (word == other) == (edit == "=")
    assert next(said, None) is None and next(written, None) is None
    assert len(found) - found.count("=") == Levenshtein.distance(ref, hyp)


@given(some.floats(-1e6, 1e6), some.floats(-1e6, 1e6), some.booleans())
def test_ticks_are_round_few_and_hold_the_values(low: float, high: float, whole: bool) -> None:
    low, high = min(low, high), max(low, high)
    ticks = nice_ticks(low, high, whole=whole)
    width = ticks[1] - ticks[0]
    assert 2 <= len(ticks) <= 8 and ticks[0] <= low + width * 1e-6 and high <= ticks[-1] + width * 1e-6
    assert np.allclose(np.diff(ticks), width) and (not whole or all(tick == int(tick) for tick in ticks))


@given(some.integers(0, 300), some.integers(1, 300))
def test_even_distances(total: int, most: int) -> None:
    found = list(evenly(total, most))
    assert len(found) == min(total, most) and found == sorted(set(found)) and all(number < total for number in found)


def test_arrows_go_right_and_around_boxes() -> None:
    nodes = [Node("source", "source", ("s",)), *(Node(f"st{i}", "st", ("t",) * 3) for i in range(3)),
             Node("target", "target", ("u",)), Node("again", "target", ("v",))]
    edges = [Edge("source", "st1", "init"), Edge("source", "target", "init"), Edge("target", "again", "init")]
    drawn = picture(Graph(tuple(nodes), tuple(edges)))
    boxes = {box.node.key: box for box in drawn.boxes}
    assert boxes["source"].x < boxes["st1"].x < boxes["target"].x < boxes["again"].x
    assert len(drawn.paths) == 3 and all(box.y >= 0 and box.y + box.height <= drawn.height for box in drawn.boxes)
    apart = sorted((box.y, box.y + box.height) for box in drawn.boxes if box.node.kind == "st")
    assert all(end < start for (_, end), (start, _) in zip(apart, apart[1:], strict=False))


@pytest.fixture(scope="module")
def opened(root: Path, browser: Any) -> Iterator[Page]:
    page = Page(browser, root / OUT / "report.html", **DESKTOP)
    yield page
    page.close()


def test_the_browser_has_nothing_against_it(opened: Page) -> None:
    assert opened.page.title() == "Results of toy: en to sw"  # which the injected script would have changed
    assert (opened.messages, opened.requests) == ([], [])
    assert opened.page.locator("#list > li").count() == 20
    first = opened.page.locator("#list > li").first
    assert f"<script>{ATTACK}</script>" in first.locator("dd.reference").inner_text()


def test_a_click_sorts_and_words_filter_rows(opened: Page) -> None:
    table = opened.page.locator("table.data", has=opened.page.locator("caption", has_text="Target speech recognition"))
    head = table.locator("th", has_text="WER %")

    def column() -> list[float]:
        return [float(text) for text in table.locator("tbody td:nth-child(4)").all_inner_texts()]

    assert column() != sorted(column())
    head.get_by_role("button").click()
    assert column() == sorted(column()) and head.get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").press("Enter")
    assert column() == sorted(column(), reverse=True) and head.get_attribute("aria-sort") == "descending"
    rows = opened.page.locator("table.data", has=opened.page.locator("caption", has_text="Comparisons"))
    assert rows.locator("tbody tr:visible").count() == 8
    opened.page.get_by_label("Rows of “Comparisons” with:").fill("mt DIRECT wer")
    assert rows.locator("tbody tr:visible").count() == 1


def test_utterances_are_filtered_by_who_is_right(opened: Page) -> None:
    page, systems = opened.page, groups(opened.page.content())[0]["systems"]
    assert (page.get_by_label("A", exact=True).locator("option:checked").inner_text(),
            page.get_by_label("B", exact=True).locator("option:checked").inner_text()) == ("xfer_human", "direct")
    page.get_by_label("A", exact=True).select_option("xfer_mt")
    page.get_by_label("Show", exact=True).select_option("A right, B wrong")
    utts = groups(page.content())[0]["utts"]
    a, b = systems.index("xfer_mt"), systems.index("direct")
    expected = [utt[0] for utt in utts if utt[5 + a] == 0 and utt[5 + b] != 0]
    assert page.locator("#list h3").all_inner_texts() == expected and expected
    assert f"{len(expected)} of 40 utterances" in page.locator("#count").inner_text()
    page.get_by_label("Show", exact=True).select_option("all")
    page.get_by_label("Order", exact=True).select_option("most gained by A over B")
    page.get_by_role("button", name="Next").click()
    assert "page 2 of 2" in page.locator("#count").inner_text()
    page.get_by_label("Holds the words").fill("taken IMG")
    assert page.locator("#list h3").all_inner_texts() == [utts[1][0], utts[0][0]] or \
        page.locator("#list h3").all_inner_texts() == [utts[0][0], utts[1][0]]
    page.get_by_label("Holds the words").fill("")
    page.get_by_label("Set", exact=True).select_option("src_test, ST")
    assert page.get_by_label("Order", exact=True).is_disabled() and page.locator("#list > li").count() == 20
    page.get_by_label("Set", exact=True).select_option("tgt_test, ASR")
    assert opened.messages == []


def test_audio_plays_from_the_work_directory(opened: Page, root: Path) -> None:
    audio = opened.page.locator("audio").first
    assert opened.requests == []  # before it is asked to play
    audio.evaluate("element => { element.preload = 'metadata'; element.load(); }")
    for _ in range(100):  # wait_for_function evaluates a string, which the page's policy forbids
        if audio.evaluate("element => element.duration") == 1:
            break
        opened.page.wait_for_timeout(50)
    assert audio.evaluate("element => element.duration") == 1
    assert {re.sub(r"\d(?=.wav)", "N", address) for address in opened.requests} == \
        {f"{root.as_uri()}/data/audio/tone%20%23N.wav"}
    assert opened.messages == []


@pytest.mark.parametrize("context", [DESKTOP, PHONE, {**DESKTOP, "color_scheme": "dark"}],
                         ids=["desktop", "phone", "dark"])
def test_everybody_can_read_it(root: Path, browser: Any, context: dict[str, Any]) -> None:
    """axe-core: contrast, labels, headings, tables, what a keyboard reaches; no page is wider than its screen."""
    page = Page(browser, root / OUT / "report.html", **context)
    assert page.violations() == []
    assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.page.emulate_media(media="print")
    assert not page.page.locator("#filters").is_visible() and page.page.locator("#list > li").count() == 20
    page.close()


def test_without_scripts_the_tables_are_there(root: Path, browser: Any) -> None:
    page = Page(browser, root / OUT / "report.html", java_script_enabled=False, **DESKTOP)
    assert page.page.locator("noscript").count() == 1 and page.page.locator("table.data tbody tr").count() > 20
    assert page.messages == []
    page.close()
