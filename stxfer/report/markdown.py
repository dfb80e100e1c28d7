"""Results as sentences and tables, in Markdown and in plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stxfer.experiment.config import Experiment
from stxfer.report.computed import computed_lines
from stxfer.report.convergence import BOUND, LAST, facts_table, warnings
from stxfer.report.decoding import decoding_table
from stxfer.report.escapes import code, in_cell, plain, ticks, visible
from stxfer.report.leaks import leak_lines
from stxfer.report.results import headline_metric
from stxfer.score.significance import TOO_FEW

NAMES = {"wer": "WER", "cer": "CER", "bleu": "BLEU", "chrf": "chrF"}
GAIN = {"wer": "relative WER", "cer": "relative CER", "bleu": "relative BLEU", "chrf": "relative chrF"}
UNITS = {"wer": "word", "cer": "character"}
Cell = dict[str, Any]


def headline(comparison: Cell) -> str:
    """Say in plain words what a comparison shows, e.g. ``a beats b by 21.3 % relative WER [17.0, 25.1]``."""
    system, baseline, metric = comparison["system"], comparison["baseline"], GAIN[comparison["metric"]]
    if comparison["relative_reduction"] is None:
        return f"{system} against {baseline}: no {metric}, the score of {baseline} is 0 or nearly so"
    value, low, high = (100 * comparison[key] for key in ("relative_reduction", "ci_low", "ci_high"))
    if comparison["verdict"] == TOO_FEW:
        return (f"{system} against {baseline}: {TOO_FEW} ({_size_of(comparison)}, {value:+.1f} % {metric})"
                f"{_needed(comparison)}")
    if comparison["verdict"] == "better":
        return f"{system} beats {baseline} by {value:.1f} % {metric} [{low:.1f}, {high:.1f}]"
    if comparison["verdict"] == "worse":
        return f"{system} is worse than {baseline} by {-value:.1f} % {metric} [{-high:.1f}, {-low:.1f}]"
    return (f"{system} against {baseline}: no difference that the interval confirms "
            f"({value:+.1f} % {metric} [{low:+.1f}, {high:+.1f}]){_needed(comparison)}")


def _size_of(comparison: Cell) -> str:
    speakers = comparison["n_speakers"]
    return _many(comparison["n_utts"], "utterance") + (f" of {_many(speakers, 'speaker')}" if speakers else "")


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _needed(comparison: Cell) -> str:
    """Say how large a test set would have to be, where that can be told."""
    needed = comparison.get("needed")
    if not needed or needed <= comparison["n_utts"] and comparison["verdict"] != TOO_FEW:
        return ""
    number = "more than a million" if needed > 1_000_000 else f"about {needed:,}"
    return f"; a test set of {number} utterances would show a difference of this size"


def headlines(results: Cell) -> list[str]:
    """Return a sentence for each compared pair, by the metric it is judged by: WER, CER or BLEU."""
    pairs: dict[tuple[str, str], dict[str, Cell]] = {}
    for cell in results["comparisons"]:
        pairs.setdefault((cell["system"], cell["baseline"]), {})[cell["metric"]] = cell
    return [headline(metrics[headline_metric(metrics)]) for metrics in pairs.values()]


def unscored(results: Cell) -> list[str]:
    """Return a sentence for each system that could not be scored."""
    return [f"{system}: not scored, {f'there is no reference {path}' if path else 'it is trained on text alone'}"
            for system, path in results["unscored"].items()]


def plain_text(experiment: Experiment, results: Cell) -> str:
    """Return the tables and headlines for a terminal."""
    blocks = [_align(table) for table in (target_table(experiment, results), supporting_table(results))
              if len(table) > 1]
    return "\n\n".join([*blocks, "\n".join([*headlines(results), *unscored(results), *warnings(results["runs"])])]
                       ).rstrip()


def target_table(experiment: Experiment, results: Cell) -> list[list[str]]:
    """Return the rows (the first is the header) of the target-language systems."""
    systems = dict(_by_system(results, "tgt_test"))
    shown = [metric for metric in ("wer", "cer") if any(metric in metrics for metrics in systems.values())]
    table = [["system", "starts from", "hours", *(head for m in shown for head in (f"{NAMES[m]} %", "[95 %]"))]]
    for name, metrics in systems.items():
        system = experiment.decoded[name].system
        init, whisper = system.init, system.whisper
        start = f"{init.source or init.model} ({', '.join(init.parts)})" if init else "nothing"
        if whisper is not None:
            start = f"{Path(whisper.model).name} (tune: {whisper.tune})"
        hours = metrics[headline_metric(metrics)]["train_hours"]
        table.append([name, start, f"{hours:.2f}", *(part for m in shown for part in _score(metrics[m]))])
    return table


def supporting_table(results: Cell) -> list[list[str]]:
    """Return the rows of the source-language and translation systems, and of text translation."""
    table = [["system", "set", "hours", "metric", "%", "[95 %]"]]
    for name, metrics in _by_system(results, "src_test"):
        for metric, cell in metrics.items():
            table.append([name, cell["set"], f"{cell['train_hours']:.2f}", NAMES[metric], *_score(cell)])
    for cell in results["mt"]:
        kept = "" if cell["kept"] == 1 else f", {100 * cell['kept']:.0f} % kept"
        table.append([f"translator of label {cell['label']}{kept}", "bitext test", "text only", NAMES[cell["metric"]],
                      f"{cell['value']:.1f}", ""])
    return table


def comparison_table(results: Cell) -> list[list[str]]:
    """Return the rows of all comparisons."""
    table = [["system", "baseline", "metric", "relative gain %", "[95 %]", "verdict", "needed"]]
    for cell in results["comparisons"]:
        known = cell["relative_reduction"] is not None
        table.append([cell["system"], cell["baseline"], NAMES[cell["metric"]],
                      f"{100 * cell['relative_reduction']:+.1f}" if known else "-",
                      f"[{100 * cell['ci_low']:+.1f}, {100 * cell['ci_high']:+.1f}]" if known else "-",
                      cell["verdict"], f"{cell['needed']:,}" if cell.get("needed") else "-"])
    return table


def markdown(experiment: Experiment, results: Cell, samples: Sequence[Sequence[tuple[str, str]]],
             how: Sequence[tuple[str, str]]) -> str:
    """Return RESULTS.md.

    Args:
        samples: for each shown utterance its name and reference, then each system with its hypothesis.
        how: (what, value) lines on reproducing it, e.g. ("command", "./run.sh").
    """
    return "\n".join([*_head(experiment, results), *_samples(samples), *_shared(results), *_scoring(results),
                      *_how(results, how)]) + "\n"


def _head(experiment: Experiment, results: Cell) -> Iterator[str]:
    yield f"# Results of {plain(results['name'])}: {experiment.source_lang} to {experiment.target_lang}\n"
    yield from (f"- **{line}**" if " beats " in line else f"- {line}" for line in headlines(results))
    missing = [pair for pair in experiment.compare
               if not {(c["system"], c["baseline"]) for c in results["comparisons"]} & {pair}]
    yield from (f"- {system} against {baseline}: not compared, not both are scored" for system, baseline in missing)
    yield from (f"- {line}" for line in [*unscored(results), *warnings(results["runs"])])
    table = target_table(experiment, results)
    if len(table) > 1:
        metrics = next(metrics for _, metrics in _by_system(results, "tgt_test"))
        metric = headline_metric(metrics)
        yield (f"\n## Target speech recognition\n\n{_size(metrics[metric])}; lower is better. "
               "*hours*: speech trained on, copies at other speeds not counted.\n")
        yield from _pipes(table, left=2)
        yield f"\n![{UNITS[metric].capitalize()} error rates and relative reductions](report.png)"
    if results["comparisons"]:
        least = results["bootstrap"]
        yield ("\n## Comparisons\n\nMore than zero favours the system; *unclear*: the interval holds zero; "
               f"*{TOO_FEW}*: fewer than {least['min_utterances']} utterances or {least['min_speakers']} speakers, or "
               "an interval of no width. *needed*: utterances that would show a difference of this size in four of "
               "five test sets, from the variance between these.\n")
        yield from _pipes(comparison_table(results), left=3)
    table = supporting_table(results)
    if len(table) > 1:
        yield "\n## Source recognition and translation\n\nWER, CER: lower is better; BLEU, chrF: higher is better.\n"
        yield from _pipes(table, left=2)
    yield ("\n## Training and hypotheses\n\n*fall*: how much lower the development set's errors are at the best of the "
           f"last {100 * LAST:.0f} % of the last phase's epochs than at the best before, relative: word errors, where "
           f"they were measured (`dev_wer`), or tokens that are not the likeliest. Above {100 * BOUND:.0f} % the curve "
           "*still falls*, unless `patience` *stopped* the phase. *loops*: a sequence of words four times in a row, of "
           "letters in a word five times, or as long as the search allows.\n")
    yield from _pipes(facts_table(results["runs"]), left=1)
    table = decoding_table(results["runs"])
    if len(table) > 1:
        yield ("\n## Decoding\n\nA hypothesis scores (1 - CTC weight) attention + CTC weight CTC + LM weight LM + "
               "length bonus a token. *tuned on*: the set on which all that is tuned was chosen, for each seed.\n")
        yield from _pipes(table, left=2)
        yield from (f"\nLanguage model {plain(name)}: perplexity {dev['perplexity']:.2f} a token, "
                    f"{dev['word_perplexity']:.1f} a word, on {dev['sentences']} sentences of the development set."
                    for name, dev in results["lm"].items())


def _samples(samples: Sequence[Sequence[tuple[str, str]]]) -> Iterator[str]:
    if not samples:
        return
    width = max(len(name) for lines in samples for name, _ in lines)
    shown = [[visible(f"{name:<{width}}  {text}".rstrip()) for name, text in lines] for lines in samples]
    fence = ticks("\n".join(line for lines in shown for line in lines), 3)
    yield f"\n## Samples\n\nUtterances at even distances through the test set, not chosen by score.\n\n{fence}text"
    for number, block in enumerate(shown):
        if number:
            yield ""
        yield from block
    yield fence


def _shared(results: Cell) -> Iterator[str]:
    lines = list(leak_lines(results.get("leaks")))
    if lines:
        yield "\n## What training shares with dev and test\n"
        yield from lines


def _scoring(results: Cell) -> Iterator[str]:
    resamples = results["bootstrap"]["resamples"]
    yield "\n## How it was scored\n"
    yield from (f"- {plain(key)}: {code(signature)}" for key, signature in results["signatures"].items())
    yield (f"- Intervals: {100 * results['bootstrap']['level']:.0f} % percentiles of the bootstrap over test "
           f"utterances (paired for comparisons; WER, CER {resamples['wer']:,} resamples, BLEU, chrF "
           f"{resamples['bleu']:,}; seed {results['bootstrap']['seed']}); a system's training seeds are pooled. "
           "They tell what other test utterances would change, not other training seeds or speakers.")
    counted = {"space:counted" in of for of in results["signatures"].values() if of.startswith("cer|")}
    if True in counted:
        yield "- CER counts the space between words as a character."
    if False in counted:
        yield ("- CER of a language written without spaces (space:ignored) counts none; words are not counted, so it "
               "has no WER.")
    yield "- Hypotheses are scored as decoded."
    yield "- Relative reduction: (baseline - system) / baseline; BLEU, chrF: (system - baseline) / baseline."


def _how(results: Cell, how: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield "\n## How to reproduce it\n"
    yield from (f"- {what}: {code(value)}" for what, value in how)
    yield from (f"- {line}" for line in computed_lines(results["computed"]))
    yield "- versions: " + ", ".join(f"{name} {value}" for name, value in results["versions"].items())


def _by_system(results: Cell, name: str) -> Iterator[tuple[str, dict[str, Cell]]]:
    systems: dict[str, dict[str, Cell]] = {}
    for cell in results["summary"]:
        if cell["set"] == name:
            systems.setdefault(cell["system"], {})[cell["metric"]] = cell
    yield from systems.items()


def _size(cell: Cell) -> str:
    seeds = cell["seeds"]
    over = f"; mean ± standard deviation over {len(seeds)} training seeds" if len(seeds) > 1 else ""
    return f"Set {cell['set']}: {cell['n_utts']:,} utterances, {cell['n_ref']:,} {UNITS[cell['metric']]}s{over}"


def _score(cell: Cell) -> tuple[str, str]:
    spread = "" if cell["sd"] is None else f" ± {cell['sd']:.1f}"
    return (f"{cell['value']:.1f}{spread}",
            f"[{cell['ci_low']:.1f}, {cell['ci_high']:.1f}]" if cell["enough"] else TOO_FEW)


def _pipes(table: list[list[str]], left: int) -> Iterator[str]:
    """Yield a Markdown table whose first ``left`` columns are flush left, the others right."""
    yield "| " + " | ".join(table[0]) + " |"
    yield "|" + "|".join(":--" if i < left else "--:" for i in range(len(table[0]))) + "|"
    yield from ("| " + " | ".join(in_cell(text) for text in row) + " |" for row in table[1:])


def _align(table: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return "\n".join("  ".join(cell.ljust(width) if i < 2 else cell.rjust(width)
                               for i, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
                     for row in table)
