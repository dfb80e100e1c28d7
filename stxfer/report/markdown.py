"""Results as sentences and tables, in Markdown and in plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stxfer.experiment.config import Experiment
from stxfer.experiment.systems import System
from stxfer.report.breakdowns import changed_lines, errors_table, met_line
from stxfer.report.comparisons import headline_metric
from stxfer.report.computed import cluster_lines, computed_lines
from stxfer.report.convergence import BOUND, LAST, facts_table, warnings
from stxfer.report.curves import curve_lines
from stxfer.report.decoding import decoding_table
from stxfer.report.escapes import code, in_cell, plain, ticks, visible
from stxfer.report.headlines import NAMES, detectable_line
from stxfer.report.leaks import leak_lines
from stxfer.score.imported import origin_line
from stxfer.score.significance import TOO_FEW

UNITS = {"wer": "word", "cer": "character"}
TRAINING = ("*fall*: how much lower the development set's errors are at the best of the "
            f"last {100 * LAST:.0f} % of the last phase's epochs than at the best before, relative: word errors, "
            "where they were measured (`dev_wer`), or tokens that are not the likeliest. Above "
            f"{100 * BOUND:.0f} % the curve *still falls*, unless `patience` *stopped* the phase. *loops*: a sequence "
            "of words four times in a row, of letters in a word five times, or as long as the search allows.")
DECODING = ("A hypothesis scores (1 - CTC weight) attention + CTC weight CTC + LM weight LM + "
            "length bonus a token. *tuned on*: the set on which all that is tuned was chosen, for each seed.")
Cell = dict[str, Any]


def unscored(results: Cell) -> list[str]:
    """Return a sentence for each system that could not be scored."""
    return [f"{system}: not scored, {f'there is no reference {path}' if path else 'it is trained on text alone'}"
            for system, path in results["unscored"].items()]


def plain_text(experiment: Experiment, results: Cell) -> str:
    """Return the tables and headlines for a terminal."""
    blocks = [_align(table) for table in (target_table(experiment, results), supporting_table(results))
              if len(table) > 1]
    lines = [*(f"warning: {line}" for line in results["banners"]), *(line["text"] for line in results["headlines"]),
             *unscored(results), *warnings(results["runs"])]
    return "\n\n".join([*blocks, "\n".join(lines)]).rstrip()


def target_table(experiment: Experiment, results: Cell) -> list[list[str]]:
    """Return the rows (the first is the header) of the target-language systems."""
    systems = dict(by_system(results, "tgt_test"))
    shown = [metric for metric in ("wer", "cer") if any(metric in metrics for metrics in systems.values())]
    table = [["system", "starts from", "hours", *(head for m in shown for head in (f"{NAMES[m]} %", "[95 %]"))]]
    for name, metrics in systems.items():
        start = "ESPnet" if name in results["imported"] else _start(experiment.decoded[name].system)
        hours = metrics[headline_metric(metrics)]["train_hours"]
        table.append([name, start, f"{hours:.2f}", *(part for m in shown for part in _score(metrics[m]))])
    return table


def _start(system: System) -> str:
    """Say what a system starts from."""
    if system.espnet:
        return f"nothing, stock ESPnet ({system.espnet})"
    if system.whisper is not None:
        return f"{Path(system.whisper.model).name} (tune: {system.whisper.tune})"
    return f"{system.init.source or system.init.model} ({', '.join(system.init.parts)})" if system.init else "nothing"


def supporting_table(results: Cell) -> list[list[str]]:
    """Return the rows of the source-language and translation systems, and of text translation."""
    table = [["system", "set", "hours", "metric", "%", "[95 %]"]]
    for name, metrics in by_system(results, "src_test"):
        for metric, cell in metrics.items():
            table.append([name, cell["set"], f"{cell['train_hours']:.2f}", NAMES[metric], *_score(cell)])
    for cell in results["mt"]:
        kept = "" if cell["kept"] == 1 else f", {100 * cell['kept']:.0f} % kept"
        table.append([f"translator of label {cell['label']}{kept}", "bitext test", "text only", NAMES[cell["metric"]],
                      f"{cell['value']:.1f}", ""])
    return table


def comparison_table(results: Cell) -> list[list[str]]:
    """Return the rows of all comparisons."""
    table = [["system", "baseline", "metric", "relative gain %", "[95 %]", "over", "p", "corrected", "MAPSSWE",
              "randomisation", "verdict", "needed"]]
    for cell in results["comparisons"]:
        known = cell["relative_reduction"] is not None
        table.append([cell["system"], cell["baseline"], NAMES[cell["metric"]],
                      f"{100 * cell['relative_reduction']:+.1f}" if known else "-",
                      f"[{100 * cell['ci_low']:+.1f}, {100 * cell['ci_high']:+.1f}]" if known else "-",
                      ", ".join(cell["over"]), *(_p(p) for p in (
                          cell["p"], cell["p_holm"], cell["mapsswe"] and cell["mapsswe"]["p"], cell["randomisation"])),
                      cell["verdict"], f"{cell['needed']:,}" if cell["needed"] else cell["needed_of"] or "-"])
    return table


def _p(value: float | None) -> str:
    return "-" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"


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
    sets = ", ".join(dict.fromkeys(cell["set"] for cell in results["summary"]))
    yield f"Test sets: {sets}." + (f" Commit `{results['commit']}`." if results["commit"] else "") + "\n"
    if results["banners"]:
        yield from (f"> **Warning:** {plain(line)}  " for line in results["banners"])
        yield ""
    yield from (f"- **{line['text']}**" if line["top"] else f"- {line['text']}" for line in results["headlines"])
    missing = [pair for pair in experiment.compare
               if not {(c["system"], c["baseline"]) for c in results["comparisons"]} & {pair}]
    yield from (f"- {system} against {baseline}: not compared, not both are scored" for system, baseline in missing)
    yield from (f"- {line}" for line in [*unscored(results), *warnings(results["runs"])])
    yield from (f"- {plain(origin_line(name, of))}" for name, of in results["imported"].items())
    table = target_table(experiment, results)
    if len(table) > 1:
        metrics = next(metrics for _, metrics in by_system(results, "tgt_test"))
        metric = headline_metric(metrics)
        yield (f"\n## Target speech recognition\n\n{size(metrics[metric])}; lower is better. "
               "*hours*: speech trained on, copies at other speeds not counted.\n")
        yield from _pipes(table, left=2)
        yield f"\n![{UNITS[metric].capitalize()} error rates and relative reductions](report.png)"
    if results["comparisons"]:
        yield f"\n## Comparisons\n\n{legend(results)}\n"
        yield from _pipes(comparison_table(results), left=3)
    yield ""
    yield from (f"- {detectable_line(cell)}." for cell in results["detectable"])
    yield from _breakdowns(results)
    table = supporting_table(results)
    if len(table) > 1:
        yield "\n## Source recognition and translation\n\nWER, CER: lower is better; BLEU, chrF: higher is better.\n"
        yield from _pipes(table, left=2)
    yield f"\n## Training and hypotheses\n\n{TRAINING}\n"
    yield from _pipes(facts_table(results["runs"]), left=1)
    table = decoding_table(results["runs"])
    if len(table) > 1:
        yield f"\n## Decoding\n\n{DECODING}\n"
        yield from _pipes(table, left=2)
        yield from (f"\nLanguage model {plain(name)}: perplexity {dev['perplexity']:.2f} a token, "
                    f"{dev['word_perplexity']:.1f} a word, on {dev['sentences']} sentences of the development set."
                    for name, dev in results["lm"].items())


def legend(results: Cell) -> str:
    """Say what the columns of the comparisons mean, with *names* of columns and verdicts in Markdown."""
    least = results["bootstrap"]
    return ("More than zero favours the system. *over*: what was drawn for the interval and *p*: speakers or, of fewer "
            f"than {least['min_speakers']}, utterances, and seeds, where both systems have {least['min_seeds']}. "
            "*corrected*: Holm's, for all comparisons. *MAPSSWE*, *randomisation*: p over words and utterances of "
            "these speakers and models. *better*, *worse*: the interval leaves zero out and the corrected p is below "
            f"{least['alpha']:g}; *{TOO_FEW}*: fewer than {least['min_utterances']} utterances, or no width. *needed*: "
            "utterances, speakers where they are drawn, or seeds that would show the difference in four of five test "
            "sets.")


def _breakdowns(results: Cell) -> Iterator[str]:
    breakdowns = results["breakdowns"]
    if breakdowns["errors"]:
        yield ("\n## Errors\n\nSubstitutions, deletions and insertions in percent of the words said; then the share of "
               "words that are wrong, by where these systems could have met them, and the range of speakers' WER. "
               f"{met_line(breakdowns)}\n")
        yield from _pipes(errors_table(breakdowns), left=1)
    lines = [*changed_lines(breakdowns), *curve_lines(results["curves"], NAMES)]
    if lines:
        yield "\nWords most gained and lost, as often right by the baseline and by the system; learning curves:\n"
        yield from (f"- {plain(line)}" for line in lines)


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
        yield from (f"- {line}" for line in lines)


def _scoring(results: Cell) -> Iterator[str]:
    yield "\n## How it was scored\n"
    yield from (f"- {plain(key)}: {code(signature)}" for key, signature in results["signatures"].items())
    yield from (f"- {line}" for line in scoring_lines(results))


def scoring_lines(results: Cell) -> Iterator[str]:
    """Say how scores, intervals and relative reductions are computed."""
    resamples = results["bootstrap"]["resamples"]
    yield (f"Intervals: {100 * results['bootstrap']['level']:.0f} % percentiles of the bootstrap (paired for "
           f"comparisons; WER, CER {resamples['wer']:,} resamples, BLEU, chrF {resamples['bleu']:,}; seed "
           f"{results['bootstrap']['seed']}), widened for few units; a system's training seeds are pooled.")
    counted = {"space:counted" in of for of in results["signatures"].values() if of.startswith("cer|")}
    if True in counted:
        yield "CER counts the space between words as a character."
    if False in counted:
        yield ("CER of a language written without spaces (space:ignored) counts none; words are not counted, so it "
               "has no WER.")
    yield "Hypotheses are scored as decoded."
    yield "Relative reduction: (baseline - system) / baseline; BLEU, chrF: (system - baseline) / baseline."


def _how(results: Cell, how: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield "\n## How to reproduce it\n"
    yield from (f"- {what}: {code(value)}" for what, value in how)
    yield from (f"- {line}" for line in computed_lines(results["computed"]))
    yield from (f"- {line}" for line in cluster_lines(results.get("cluster", {})))
    yield "- versions: " + ", ".join(f"{name} {value}" for name, value in results["versions"].items())


def by_system(results: Cell, name: str) -> Iterator[tuple[str, dict[str, Cell]]]:
    """Yield the systems of a test set, each with its scores by metric."""
    systems: dict[str, dict[str, Cell]] = {}
    for cell in results["summary"]:
        if cell["set"] == name:
            systems.setdefault(cell["system"], {})[cell["metric"]] = cell
    yield from systems.items()


def size(cell: Cell) -> str:
    """Say how large the test set of a score is, and over how many seeds it is the mean."""
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
