"use strict";
// Tables that sort by a click on a column's head and, where they are long, show only the rows that hold some words.
(() => {
  const LONG = 8; // rows

  // What a cell sorts by: the number that it begins with, after a bracket, "<" or thousands' commas; else its text.
  const key = (cell) => {
    const text = cell.textContent.trim();
    const found = text.replace(/(\d),(?=\d{3})/g, "$1").match(/^[[<]?\s*([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)/i);
    return found ? [0, Number(found[1]), text] : [text === "-" || text === "" ? 2 : 1, 0, text];
  };

  const compare = (a, b) => a[0] - b[0] || a[1] - b[1] || a[2].localeCompare(b[2]);

  const sort = (table, column, direction) => {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, (row) => [key(row.cells[column]), row]);
    rows.sort((a, b) => a[0][0] === 2 || b[0][0] === 2 ? a[0][0] - b[0][0] : direction * compare(a[0], b[0]));
    body.append(...rows.map((pair) => pair[1]));
    Array.from(table.tHead.rows[0].cells).forEach((cell, number) => {
      if (number === column) cell.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      else cell.removeAttribute("aria-sort");
    });
  };

  const makeSortable = (table) => {
    Array.from(table.tHead.rows[0].cells).forEach((cell, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...cell.childNodes);
      cell.append(button);
      button.addEventListener("click", () =>
        sort(table, column, cell.getAttribute("aria-sort") === "ascending" ? -1 : 1));
    });
  };

  const makeFilter = (table) => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    label.className = "filter";
    input.type = "search";
    input.autocomplete = "off";
    label.append(`Rows of “${table.caption.textContent}” with: `, input);
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/);
      for (const row of table.tBodies[0].rows) {
        const text = Array.from(row.cells, (cell) => cell.textContent).join("\t").toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
    });
    table.parentElement.before(label);
  };

  for (const table of document.querySelectorAll("table.data")) {
    if (table.tBodies[0].rows.length > 1) makeSortable(table);
    if (table.tBodies[0].rows.length >= LONG) makeFilter(table);
  }
})();
