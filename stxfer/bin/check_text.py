"""Show what a language's profile makes of a text: lines before and after, characters, annotation, variants, advice."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from stxfer.bin._cli import make_parser, run
from stxfer.core.errors import DataError
from stxfer.corpora.bitext.lines import iter_lines, open_binary
from stxfer.corpora.rows import read_rows
from stxfer.experiment.config import load_experiment
from stxfer.kaldi.table import iter_table
from stxfer.text.normalise import normalise
from stxfer.text.profiles import PROFILES, has_profile, of_bitext, profile
from stxfer.text.survey import Survey, script

N_SIGNS = 12  # signs between letters, and letters before apostrophes, that are shown
N_LETTERS = 20  # letters of another script that are shown
_STOPS = re.compile(r"[.,;:!?\"“”«»()–—]|(?<!\w)-(?!\w)")


def main(argv: Sequence[str] | None = None) -> None:
    """Read the text and print the report."""
    parser = make_parser("check_text", __doc__ or "")
    parser.add_argument("file", type=Path, metavar="FILE", help="a sentence a line, UTF-8, or .gz of it")
    parser.add_argument("--lang", required=True, help="code of its language")
    parser.add_argument("--config", type=Path, help="experiment file whose 'normalise' key changes the rules")
    parser.add_argument("--kaldi", action="store_true", help="FILE is a Kaldi table, utterance and text")
    parser.add_argument("--column", help="FILE is a TSV, CSV or JSON lines table, and this column of it is the text")
    parser.add_argument("--bitext", action="store_true",
                        help="by the rules for bitexts: words in square brackets are an editor's, and stay")
    parser.add_argument("--lines", type=int, default=10, help="lines to show before and after")
    parser.add_argument("--characters", type=int, default=80, help="characters to list, the commonest")
    args = parser.parse_args(argv)
    profiles = load_experiment(args.config).profiles if args.config else PROFILES
    rules = profile(args.lang, profiles)
    if args.bitext:
        rules = of_bitext(rules)
    survey = Survey(rules)
    telling: list[tuple[str, str]] = []  # lines of which more goes than case and stops
    others: list[tuple[str, str]] = []
    for line in _lines(args.file, args.kaldi, args.column):
        survey.add([line])
        clean = normalise(line, rules)
        if len(telling) < args.lines and clean != " ".join(_STOPS.sub(" ", line.lower()).split()):
            telling.append((line, clean))
        elif len(others) < args.lines and clean != line:
            others.append((line, clean))
    if not survey.n_lines:
        raise DataError(f"{args.file}: holds no text")
    known = "" if has_profile(args.lang, profiles) else f"no profile for {args.lang}; the default one is used\n"
    print(f"{known}{args.file}: {survey.n_lines} lines, {survey.words.total()} words, {len(survey.words)} different; "
          f"{rules.identity}")
    print("\nLines before and after:" if telling or others else "\nNo line changes.")
    for raw, clean in [*telling, *others][:args.lines]:
        print(f"  - {raw}\n  + {clean or '(nothing: the line is dropped)'}")
    _print_characters(survey, args.characters)
    _print_between(survey)
    _print_findings(survey)
    advice = survey.suggestions()
    print("\nSuggestion:" if advice else "\nNo suggestion.")
    if advice:
        print(yaml.safe_dump({"normalise": {args.lang: advice}}, allow_unicode=True, default_flow_style=None), end="")


def _lines(path: Path, kaldi: bool, column: str | None) -> Iterator[str]:
    if kaldi:
        yield from (text for _, text in iter_table(path))
    elif column:
        yield from (row[column] for _, row in read_rows(path, (column,)))
    else:
        with open_binary(path) as handle:
            yield from iter_lines(handle, str(path))


def _print_characters(survey: Survey, most: int) -> None:
    own = survey.scripts()
    foreign: dict[str, Counter[str]] = {}
    kept: Counter[str] = Counter()
    for char, n in survey.after.items():
        if char.isalpha() and (of := script(char)) not in own and of != "Modifier":
            foreign.setdefault(of, Counter())[char] = n
        elif char != " ":
            kept[char] = n
    for title, count in (("Characters removed or replaced", survey.removed()), ("Characters kept", kept)):
        print(f"\n{title}:" if count else f"\nNo {title.lower()}.")
        for char, n in count.most_common(most):
            some = f" ({survey.after[char]} kept)" if count is not kept and char in survey.after else ""
            print(f"  {n:8d}  {char if char.isprintable() else ' '}  {_named(char)}{some}")
        if rest := count.total() - sum(n for _, n in count.most_common(most)):
            print(f"  {rest:8d}  of {len(count) - most} more (--characters)")
    if foreign:
        print("\nLetters kept of other scripts than the language's:")
    for of, count in sorted(foreign.items(), key=lambda item: -item[1].total()):
        letters = " ".join(char for char, _ in count.most_common(N_LETTERS))
        print(f"  {count.total():8d}  {of}: {letters}{' ...' if len(count) > N_LETTERS else ''}")


def _named(char: str) -> str:
    return " + ".join(f"U+{ord(part):04X} {unicodedata.name(part, 'without a name')}" for part in char)


def _print_between(survey: Survey) -> None:
    if survey.between:
        print("\nSigns between letters:")
    for sign, n in survey.between.most_common(N_SIGNS):
        becomes = {"ab cd": "parts the words ('inner' keeps it, 'deleted' joins them)",
                   "abcd": "goes, the words are joined ('separators' parts them, 'inner' keeps it)"}.get(
                       normalise(f"ab{sign}cd", survey.profile), "stays")
        stops = "; joins single letters, as in U.S." if sign in survey.profile.stops else ""
        print(f"  {n:8d}  {sign}  {_named(sign)}: {becomes}{stops}")
    if survey.endings:
        letters = ", ".join(f"{letter}' {n}" for letter, n in survey.endings.most_common(N_SIGNS))
        print(f"\nApostrophes at the ends of words ('apostrophe_after' keeps them): {letters}")


def _print_findings(survey: Survey) -> None:
    print("\nAnnotation:" if survey.annotation else "\nNo annotation.")
    for kind, count in sorted(survey.annotation.items()):
        print(f"  {kind} {count.total()}: " + ", ".join(f"{text} {n}" for text, n in count.most_common(8)))
    if survey.lone:
        print(f"  lines of nothing else: {survey.lone}")
    for title, words in (("Words that mix scripts", [(word,) for word, _ in survey.mixed().most_common(20)]),
                         ("Words that differ by a mark, an apostrophe or a look-alike alone, two words or one spelt in "
                          "two ways", survey.variants()[:20])):
        if words:
            print(f"\n{title}:")
            for group in words:
                print("  " + ", ".join(f"{word} {survey.words[word]}" for word in group))


if __name__ == "__main__":
    run(main)
