"use strict";

// A row is a <tbody>: its numbers, and the line below that opens. Both move together.
for (const table of document.querySelectorAll("table.board")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const reversed = { ascending: "descending", descending: "ascending" };
      const order = reversed[heading.getAttribute("aria-sort")] ?? heading.dataset.first;
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", order);
      sort(table, column, order, heading.classList.contains("number"));
    });
  });
}

function sort(table, column, order, numeric) {
  const sign = order === "ascending" ? 1 : -1;
  const rows = [...table.tBodies].map((body) => {
    const text = body.rows[0].cells[column].dataset.value;
    return { body, text, missing: numeric && text === "", number: Number(text) };
  });
  rows.sort((a, b) => {
    if (a.missing || b.missing) return a.missing - b.missing; // last, in both orders
    if (numeric) return sign * (a.number - b.number);
    return sign * a.text.localeCompare(b.text, "en", { numeric: true });
  });
  table.tHead.after(...rows.map((row) => row.body));
}

const field = document.querySelector(".filter");
const input = field.querySelector("input");
const count = field.querySelector("output");
const rows = [...document.querySelectorAll("table.board > tbody")].map((body) => {
  const line = body.querySelector("tr.row").textContent + " ";
  const runs = [...body.querySelectorAll(".more summary, .runs tbody th")];
  return { body, text: (line + runs.map((run) => run.textContent).join(" ")).toLowerCase() };
});

function filter() {
  const words = input.value.toLowerCase().split(/\s+/);
  let shown = 0;
  for (const { body, text } of rows) {
    body.hidden = !words.every((word) => text.includes(word));
    shown += !body.hidden;
  }
  count.textContent = shown < rows.length ? `${shown} of ${rows.length} rows` : "";
}

input.addEventListener("input", filter);
field.hidden = false;
filter(); // a reloaded page keeps what was typed
