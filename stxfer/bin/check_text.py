"""Show what a language's profile makes of a text: lines before and after, characters, annotation, variants, advice."""

from __future__ import annotations

import unicodedata
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
from stxfer.text.profiles import PROFILES, has_profile, profile
from stxfer.text.survey import Survey


def main(argv: Sequence[str] | None = None) -> None:
    """Read the text and print the report."""
    parser = make_parser("check_text", __doc__ or "")
    parser.add_argument("file", type=Path, metavar="FILE", help="a sentence a line, UTF-8, or .gz of it")
    parser.add_argument("--lang", required=True, help="code of its language")
    parser.add_argument("--config", type=Path, help="experiment file whose 'normalise' key changes the rules")
    parser.add_argument("--kaldi", action="store_true", help="FILE is a Kaldi table, utterance and text")
    parser.add_argument("--column", help="FILE is a TSV, CSV or JSON lines table, and this column of it is the text")
    parser.add_argument("--lines", type=int, default=10, help="lines to show before and after")
    args = parser.parse_args(argv)
    profiles = load_experiment(args.config).profiles if args.config else PROFILES
    rules = profile(args.lang, profiles)
    survey = Survey(rules)
    shown: list[tuple[str, str]] = []
    for line in _lines(args.file, args.kaldi, args.column):
        survey.add([line])
        clean = normalise(line, rules)
        if len(shown) < args.lines and clean != " ".join(line.lower().rstrip(".!?").split()):
            shown.append((line, clean))
    if not survey.n_lines:
        raise DataError(f"{args.file}: holds no text")
    known = "" if has_profile(args.lang, profiles) else f"no profile for {args.lang}; the default one is used\n"
    print(f"{known}{args.file}: {survey.n_lines} lines, {survey.words.total()} words, {len(survey.words)} different; "
          f"{rules.identity}")
    print("\nLines before and after:")
    for raw, clean in shown:
        print(f"  - {raw}\n  + {clean or '(nothing: the line is dropped)'}")
    _print_characters(survey)
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


def _print_characters(survey: Survey) -> None:
    gone = {char: n for char, n in survey.before.items() if char not in survey.after and char not in "\n "
            and char.lower() not in survey.after}
    for title, count in (("Characters removed or replaced", gone), ("Characters kept", survey.after)):
        print(f"\n{title}:")
        for char, n in sorted(count.items(), key=lambda item: -item[1]):
            if char != " ":
                print(f"  {n:8d}  {char if char.isprintable() else ' '}  U+{ord(char):04X} "
                      f"{unicodedata.name(char, 'without a name')}")


def _print_findings(survey: Survey) -> None:
    print("\nAnnotation:" if survey.annotation else "\nNo annotation.")
    for kind, count in sorted(survey.annotation.items()):
        print(f"  {kind} {count.total()}: " + ", ".join(f"{text} {n}" for text, n in count.most_common(8)))
    if survey.lone:
        print(f"  lines of nothing else: {survey.lone}")
    for title, words in (("Words that mix scripts", [(word,) for word, _ in survey.mixed().most_common(20)]),
                         ("Words that differ by a mark, an apostrophe or a look-alike", survey.variants()[:20])):
        if words:
            print(f"\n{title}:")
            for group in words:
                print("  " + ", ".join(f"{word} {survey.words[word]}" for word in group))


if __name__ == "__main__":
    run(main)
