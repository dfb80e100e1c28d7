// The list of utterances: filters, pages, and hypotheses aligned with what was said. See utterances.py for the data.
(() => {
  const PAGE = 20;
  const source = document.getElementById("groups");
  if (source === null) return;
  const groups = JSON.parse(source.textContent);
  const form = document.getElementById("filters");
  const list = document.getElementById("list");
  const pages = document.getElementById("pages");
  const count = document.getElementById("count");
  const [NAME, SPEAKER, SECONDS, AUDIO, REF, FIRST] = [0, 1, 2, 3, 4, 5]; // of an utterance

  const element = (name, text = "", className = "") => {
    const made = document.createElement(name);
    if (text !== "") made.textContent = text;
    if (className) made.className = className;
    return made;
  };

  const field = (title, control) => {
    const label = element("label", title), place = element("div");
    control.id = `filter-${form.childElementCount}`;
    label.htmlFor = control.id;
    control.addEventListener(control.type === "search" ? "input" : "change", () => show(0));
    place.append(label, control);
    form.append(place);
    return control;
  };

  const fill = (select, options) => {
    select.replaceChildren(...options.map(([value, text]) => {
      const option = element("option", text);
      option.value = value;
      return option;
    }));
    return select;
  };

  const choice = (title, options) => field(title, fill(document.createElement("select"), options));

  // Utterances of two systems, A and B, by their numbers of errors.
  const RELATIONS = {
    any: ["all", () => true],
    better: ["A right, B wrong", (a, b) => a === 0 && b > 0],
    worse: ["A wrong, B right", (a, b) => a > 0 && b === 0],
    fewer: ["A fewer errors than B", (a, b) => a < b],
    more: ["A more errors than B", (a, b) => a > b],
    wrong: ["both wrong", (a, b) => a > 0 && b > 0],
    right: ["both right", (a, b) => a === 0 && b === 0],
  };
  const ORDERS = {
    set: ["as in the set", () => 0],
    gain: ["most gained by A over B", (one) => one.a - one.b],
    loss: ["most lost by A to B", (one) => one.b - one.a],
    errors: ["most errors of A", (one) => -one.a],
    long: ["longest first", (one) => -one.utt[REF].length],
    short: ["shortest first", (one) => one.utt[REF].length],
  };
  const named = (table) => Object.entries(table).map(([value, [text]]) => [value, text]);

  const group = choice("Set", groups.map((one, number) => [number, `${one.set}, ${one.task.toUpperCase()}`]));
  const relation = choice("Show", named(RELATIONS));
  const systemA = choice("A", []);
  const systemB = choice("B", []);
  const order = choice("Order", named(ORDERS));
  const speaker = choice("Speaker", []);
  const systems = choice("Systems", [["all", "all"], ["two", "A and B"]]);
  const words = field("Holds the words", Object.assign(document.createElement("input"), { type: "search",
    autocomplete: "off" }));

  const errors = (hypothesis) => hypothesis === 0 ? 0 : hypothesis[1].replaceAll("=", "").length;

  const useGroup = () => {
    const of = groups[group.value];
    const options = of.systems.map((name, number) => [number, name]);
    fill(systemA, options).value = of.pair[0];
    fill(systemB, options).value = of.pair[1];
    const speakers = [...new Set(of.utts.map((utt) => utt[SPEAKER]))].filter((name) => name !== "").sort();
    fill(speaker, [["", "all"], ...speakers.map((name) => [name, name])]);
    for (const control of [relation, order]) control.disabled = of.unit === "";
  };

  const units = (text, unit) => unit === "character" ? [...text.replace(/\s+/g, "")] : text.split(/\s+/).filter(Boolean);

  const spoken = (text) => element("span", text, "hidden");

  // A hypothesis in the order of its alignment; what differs is said in words, too, for whoever hears it.
  const aligned = (ref, [hypothesis, edits], unit) => {
    const line = element("dd");
    line.dir = "auto";
    if (unit === "") {
      line.textContent = hypothesis;
      return line;
    }
    const said = units(ref, unit), written = units(hypothesis, unit);
    const between = unit === "character" ? "" : " ";
    let r = 0, h = 0;
    for (const edit of edits) {
      if (line.childNodes.length) line.append(between);
      if (edit === "=") {
        line.append(written[h]);
      } else {
        const part = element({ s: "span", d: "del", i: "ins" }[edit], "", edit);
        if (edit === "s") {
          part.title = `said: ${said[r]}`;
          part.append(written[h], spoken(` for ${said[r]}`));
        } else if (edit === "d") {
          part.append(spoken("left out: "), said[r]);
        } else {
          part.append(spoken("added: "), written[h]);
        }
        line.append(part);
      }
      r += edit !== "i";
      h += edit !== "d";
    }
    if (written.length === 0) line.append(element("span", " (nothing)", "about"));
    return line;
  };

  const player = (address, name) => {
    const audio = document.createElement("audio");
    audio.controls = true;
    audio.preload = "none";
    audio.src = address;
    audio.setAttribute("aria-label", `Audio of ${name}`);
    return audio;
  };

  const card = (of, utt, shown) => {
    const item = element("li");
    const about = [utt[SPEAKER] && `speaker ${utt[SPEAKER]}`, utt[SECONDS] && `${utt[SECONDS].toFixed(1)} s`];
    item.append(element("h3", utt[NAME]), element("span", about.filter(Boolean).join(", "), "about"));
    if (utt[AUDIO]) item.append(player(utt[AUDIO], utt[NAME]));
    const rows = element("dl");
    const said = element("dd", utt[REF], "reference");
    said.dir = "auto";
    rows.append(element("dt", of.task === "st" ? "reference" : "said"), said);
    const total = units(utt[REF], of.unit).length;
    for (const number of shown) {
      const hypothesis = utt[FIRST + number];
      const wrong = of.unit === "" || hypothesis === 0 ? "" : ` (${errors(hypothesis)}/${total})`;
      rows.append(element("dt", of.systems[number] + wrong),
        hypothesis === 0 ? element("dd", of.unit === "" ? "as the reference" : "right", "right")
          : aligned(utt[REF], hypothesis, of.unit));
    }
    item.append(rows);
    return item;
  };

  const chosen = () => {
    const of = groups[group.value], a = Number(systemA.value), b = Number(systemB.value);
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const test = RELATIONS[relation.disabled ? "any" : relation.value][1];
    const rank = ORDERS[order.disabled ? "set" : order.value][1];
    return of.utts.map((utt) => ({ utt, a: errors(utt[FIRST + a]), b: errors(utt[FIRST + b]) })).filter((one) => {
      const text = [one.utt[NAME], one.utt[REF], ...one.utt.slice(FIRST).map((hyp) => hyp === 0 ? "" : hyp[0])]
        .join("\n").toLowerCase();
      return test(one.a, one.b) && (speaker.value === "" || one.utt[SPEAKER] === speaker.value)
        && wanted.every((word) => text.includes(word));
    }).sort((one, other) => rank(one) - rank(other));
  };

  const turn = (text, page, last) => {
    const button = element("button", text);
    button.type = "button";
    button.disabled = page < 0 || page > last;
    button.addEventListener("click", () => {
      show(page);
      count.focus(); // the button that was pressed is another one now
    });
    return button;
  };

  const show = (page) => {
    const of = groups[group.value], found = chosen(), last = Math.max(0, Math.ceil(found.length / PAGE) - 1);
    const two = [...new Set([Number(systemA.value), Number(systemB.value)])];
    const shown = systems.value === "two" ? two : of.systems.map((_, number) => number);
    list.replaceChildren(...found.slice(page * PAGE, (page + 1) * PAGE).map((one) => card(of, one.utt, shown)));
    const part = of.utts.length < of.total ? `, of ${of.total} in the set, taken at even distances` : "";
    count.textContent = `${found.length} of ${of.utts.length} utterances${part}`
      + (last ? `; page ${page + 1} of ${last + 1}` : "");
    pages.replaceChildren(turn("Previous", page - 1, last), turn("Next", page + 1, last));
    pages.hidden = last === 0;
  };

  group.addEventListener("change", useGroup, { capture: true });
  form.addEventListener("submit", (event) => event.preventDefault());
  useGroup();
  form.hidden = false;
  show(0);
})();
