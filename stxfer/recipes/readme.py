"""The README.md of a new recipe: what is known of it, and what its author has to say."""

from __future__ import annotations

from stxfer.recipes.new import Found

TEXT = """# {name}: {source} to {target}

**Not run yet.** Written by `utils/new_recipe.sh`, which looked at the corpora; what is in **bold** is for you to say.

| corpus | option, or variable | from | licence |
|---|---|---|---|
{corpora}

```bash
./run.sh --dry-run true                      # what will be done, and how long it takes
./run.sh --stop-stage prepare                # corpora, texts and audio checked
./run.sh                                     # all of it
```

`local/paths.sh` says where the corpora lie on this machine; without it, the options above do.

## Data

| set | utterances | hours | speakers | median |
|---|--:|--:|--:|--:|
{sets}

Hours are those of a sample of the files; stage `prepare` counts them all.
{text}
## What was found

{told}

## Results

**Not run yet.** `exp/report/RESULTS.md` has the table.
"""


def readme(found: Found, corpora: list[tuple[str, str, str]]) -> str:
    """Return the text.

    Args:
        found: the corpora.
        corpora: option, variable and description of each.
    """
    source, target = found.asked.languages
    rows = [f"| {what} | `--{option.replace('_', '-')}`, `{variable}` | **where from** | **to be named** |"
            for option, variable, what in corpora]
    sets = [f"| `{name}` | {amount.utterances:,} | {amount.hours:.2f} | {amount.speakers or 'not named'} | "
            f"{amount.seconds:.1f} s |" for name, amount in sorted(found.amounts.items())]
    if found.spoken is not None:
        sets.append(f"| `src_train` | {found.spoken.train_sentences:,} at most | | synthetic | |")
    text = ""
    if found.pairs:
        pairs = ", ".join(f"{part} {count:,}" for part, count in found.pairs.items())
        text = f"\nAligned text: {pairs} pairs. " + (
            "A translator is trained on it." if found.translator else "No translator is trained on it.") + "\n"
    told = [f"- {what}: {finding.text}" for what, findings in found.told for finding in findings if finding.look]
    return TEXT.format(name=found.asked.name, source=source, target=target, corpora="\n".join(rows),
                       sets="\n".join(sets), text=text, told="\n".join(told) or "Nothing that needs an eye.")
