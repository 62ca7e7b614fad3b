"use strict";
// Everything shown comes from the JSON in the page and enters it as text, never as markup.
const DATA = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const $ = (selector, root = document) => root.querySelector(selector);
const NOTHING = "–";

function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function draw(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const fixed = (value, digits = 3) => (value === null || value === undefined ? NOTHING : value.toFixed(digits));
const spread = ([mean, sd]) => (sd === null ? fixed(mean) : `${fixed(mean)} ± ${fixed(sd)}`);
const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(3);

// ---- dark and light -------------------------------------------------------------------------------------------

function theme(name) {
  document.documentElement.dataset.theme = name;
  $("#theme").textContent = name === "dark" ? "Light" : "Dark";
}
theme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
$("#theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));

// ---- sorting, of any table ------------------------------------------------------------------------------------

/** What a cell is sorted by: its data-sort, or the first number in its text, or the text; nothing comes last. */
function sortKey(cell) {
  const text = cell.dataset.sort ?? cell.textContent;
  const number = Number.parseFloat(text.replace("−", "-").replace(/,/g, ""));
  return Number.isNaN(number) ? (text === NOTHING || text === "" ? null : text.toLowerCase()) : number;
}

function compare(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a === typeof b) return a < b ? -1 : Number(a > b);
  return typeof a === "number" ? -1 : 1;
}

function sortable(table) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = make("button", { type: "button" }, ...head.childNodes);
    head.replaceChildren(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => sortBy(table, column));
  });
}

function sortBy(table, column) {
  const heads = [...table.tHead.rows[0].cells];
  const was = heads[column].getAttribute("aria-sort");
  const down = was === "none" ? !heads[column].classList.contains("text") : was === "ascending"; // best first
  heads.forEach((head) => head.setAttribute("aria-sort", "none"));
  heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
  table.querySelectorAll("tr.details").forEach(close);
  const keyed = [...table.tBodies[0].rows].map((row) => [sortKey(row.cells[column]), row]);
  keyed.sort(([a], [b]) => (a === null || b === null || !down ? compare(a, b) : compare(b, a)));
  table.tBodies[0].append(...keyed.map(([, row]) => row));
}

// ---- tables as CSV --------------------------------------------------------------------------------------------

/** Let the browser save rows as a CSV file. A text that a spreadsheet would take for a formula gets ./ in front. */
function save(name, rows) {
  const quoted = (value) => {
    const text = String(value ?? "").replace(/^(?=[=@\t\r])/, "./");
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = rows.map((row) => `${row.map(quoted).join(",")}\n`);
  const link = make("a", { href: URL.createObjectURL(new Blob(lines, { type: "text/csv" })), download: `${name}.csv` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // not before the browser has read it
}

/** The texts of a table's visible rows, with its header. */
const textsOf = (table) => [...table.rows].filter((row) => !row.hidden)
  .map((row) => [...row.cells].map((cell) => cell.textContent.trim()));

/** A button that saves what `rows` returns when it is clicked. */
function csvButton(name, rows) {
  const button = make("button", { type: "button", "aria-label": `Save as CSV: ${name}` }, "Save as CSV");
  button.addEventListener("click", () => save(name, rows()));
  return button;
}

const SAVED = {
  dataset: (cell) => cell.dataset, model: (cell) => cell.model, differs: differs,
  settings: (cell) => DATA.captions[cell.caption], cell: (cell) => cell.id, point: (cell) => cell.point,
  f1: (cell) => cell.f1[0], f1_sd: (cell) => cell.f1[1], floor: (cell) => cell.floor,
  lift: (cell) => cell.lift?.mean, lift_low: (cell) => cell.lift?.low, lift_high: (cell) => cell.lift?.high,
  lift_p: (cell) => cell.lift?.p, auroc: (cell) => cell.auroc[0], auroc_sd: (cell) => cell.auroc[1],
  ap: (cell) => cell.ap[0], ap_sd: (cell) => cell.ap[1], collapsed: (cell) => cell.collapsed,
  folds: (cell) => cell.done, all_folds: (cell) => cell.folds, parameters: (cell) => cell.parameters,
  seconds: (cell) => cell.seconds,
};

// ---- all cells ------------------------------------------------------------------------------------------------

const COLUMNS = [
  ["model", "text", (cell) => nameOf(cell)],
  ["dataset", "text", (cell) => cell.dataset],
  ["F1", "", (cell) => meanAndSd(cell.f1)],
  ["", "wide", (cell) => range(cell)],
  ["floor", "", (cell) => fixed(cell.floor)],
  ["lift", "", (cell) => (cell.lift ? signed(cell.lift.mean) : NOTHING)],
  ["95 %", "wide", (cell) => (cell.lift && cell.lift.low !== null ? `${signed(cell.lift.low)} … ${signed(cell.lift.high)}` : NOTHING)],
  ["p", "", (cell) => (cell.lift && cell.lift.p !== null ? cell.lift.p.toPrecision(2) : NOTHING)],
  ["AUROC", "", (cell) => meanAndSd(cell.auroc)],
  ["AP", "", (cell) => meanAndSd(cell.ap)],
  ["collapsed", "", (cell) => cell.collapsed],
  ["folds", "", (cell) => `${cell.done}/${cell.folds}`],
  ["parameters (M)", "wide", (cell) => (cell.parameters ? (cell.parameters / 1e6).toFixed(1) : NOTHING)],
];

/** In what a cell differs from others of its name, and its table from other tables; often nothing. */
function differs(cell) {
  return [cell.details, DATA.groups.length > 1 ? DATA.groups[cell.group] : ""].filter(Boolean).join(" · ");
}

const meanAndSd = ([mean, sd]) => [fixed(mean), ...(sd === null ? [] : [make("span", { class: "sd" }, ` ± ${fixed(sd)}`)])];

function nameOf(cell) {
  const button = make("button", { type: "button", class: "open", "aria-expanded": "false" });
  const swatch = make("span", { class: "swatch" });
  swatch.style.background = cell.color;
  const parts = cell.model.split(/(?=[+@-])/).flatMap((part, place) => (place ? [make("wbr"), part] : [part]));
  button.append(swatch, make("span", {}, ...parts));
  button.addEventListener("click", () => toggle(button.closest("tr"), cell));
  const more = differs(cell);
  return [button, ...(more ? [make("div", { class: "differs" }, more)] : [])];
}

/** F1 from 0 to 1 with its SD, or with its folds if there are fewer than three, and the floor. */
function range(cell) {
  const [mean, sd] = cell.f1;
  const x = (value) => 5 + 70 * Math.min(1, Math.max(0, value));
  const label = `F1 ${spread(cell.f1)}, floor ${fixed(cell.floor)}`;
  const few = sd === null || cell.done < 3;
  return draw("svg", { class: "range", width: 80, height: 12, role: "img", "aria-label": label },
    draw("rect", { x: 2, y: 5, width: 76, height: 2 }),
    draw("line", { class: "floor", x1: x(cell.floor), x2: x(cell.floor), y1: 0, y2: 12 }),
    ...(few ? cell.runs.map((run) => draw("circle", { class: "fold", cx: x(run.f1), cy: 6, r: 2 }))
      : [draw("line", { class: "sd", x1: x(mean - sd), x2: x(mean + sd), y1: 6, y2: 6 })]),
    draw("circle", { cx: x(mean), cy: 6, r: 4 }));
}

function rowOf(cell) {
  const row = make("tr");
  for (const [name, kind, text] of COLUMNS) {
    const sort = { model: cell.model, "": cell.f1[0] }[name];
    row.append(make("td", { ...(kind && { class: kind }), ...(sort !== undefined && { "data-sort": sort }) }, ...[text(cell)].flat()));
  }
  return row;
}

function fillCells() {
  const table = $("#cell-table");
  const head = make("tr");
  for (const [name, kind] of COLUMNS) head.append(make("th", { scope: "col", ...(kind && { class: kind }) }, name));
  table.tHead.append(head);
  sortable(table);
  $("th:nth-child(4)", table).replaceChildren(make("span", { class: "wide" })); // the bar goes by F1
  const rows = DATA.cells.map((cell) => [cell, rowOf(cell)]);
  table.tBodies[0].append(...rows.map(([, row]) => row));
  filtered(rows);
}

function filtered(rows) {
  const form = $("#filters");
  options(form.elements.dataset, ["", "all"], ...names(DATA.cells.map((cell) => cell.dataset)));
  options(form.elements.group, ["", "any settings"], ...DATA.groups.map((group, number) => [String(number), group]));
  $(".of-groups", form).hidden = DATA.groups.length < 2;
  const apply = () => {
    const { text, dataset, group, best } = form.elements;
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const [cell, row] of rows) {
      const whole = `${cell.dataset} ${cell.model} ${differs(cell)}`.toLowerCase();
      const shown = words.every((word) => whole.includes(word)) && (!dataset.value || cell.dataset === dataset.value)
        && (!group.value || String(cell.group) === group.value) && (!best.checked || cell.best);
      row.hidden = !shown;
      if (row.nextElementSibling?.classList.contains("details")) row.nextElementSibling.hidden = !shown;
      count += shown;
    }
    $("#shown").textContent = `${count} of ${rows.length}`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.append(csvButton("cells", () => {
    const shown = [...$("#cell-table").tBodies[0].rows].filter((row) => !row.hidden);
    const cells = shown.map((row) => rows.find(([, other]) => other === row)?.[0]).filter(Boolean); // as they are sorted
    return [Object.keys(SAVED), ...cells.map((cell) => Object.values(SAVED).map((value) => value(cell)))];
  }));
  apply();
}

const names = (values) => [...new Set(values)].sort().map((value) => [value, value]);

function options(select, ...pairs) {
  select.replaceChildren(...pairs.map(([value, text]) => make("option", { value }, text)));
}

// ---- start ----------------------------------------------------------------------------------------------------

fillCells();
document.querySelectorAll("table.paper").forEach((table) => {
  sortable(table);
  const bar = table.closest("details").querySelector(".bar");
  bar.append(csvButton(bar.dataset.name, () => textsOf(table)));
  $("input", bar).addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of table.tBodies[0].rows) {
      row.hidden = !words.every((word) => row.cells[0].textContent.toLowerCase().includes(word));
    }
  });
});
