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

// ---- all cells ------------------------------------------------------------------------------------------------

const COLUMNS = [
  ["model", "text", (cell) => nameOf(cell)],
  ["F1", "", (cell) => spread(cell.f1)],
  ["", "wide", (cell) => range(cell)],
  ["dataset", "text", (cell) => cell.dataset],
  ["lift", "", (cell) => (cell.lift ? signed(cell.lift.mean) : NOTHING)],
  ["95 %", "wide", (cell) => (cell.lift && cell.lift.low !== null ? `${signed(cell.lift.low)} … ${signed(cell.lift.high)}` : NOTHING)],
  ["p", "", (cell) => (cell.lift && cell.lift.p !== null ? cell.lift.p.toPrecision(2) : NOTHING)],
  ["AUROC", "", (cell) => spread(cell.auroc)],
  ["AP", "", (cell) => spread(cell.ap)],
  ["floor", "", (cell) => fixed(cell.floor)],
  ["collapsed", "", (cell) => cell.collapsed],
  ["point", "", (cell) => cell.point ?? NOTHING],
  ["folds", "", (cell) => `${cell.done}/${cell.folds}`],
  ["parameters (M)", "wide", (cell) => (cell.parameters ? (cell.parameters / 1e6).toFixed(1) : NOTHING)],
  ["seconds", "wide", (cell) => Math.round(cell.seconds)],
];

function nameOf(cell) {
  const button = make("button", { type: "button", class: "open", "aria-expanded": "false" });
  const swatch = make("span", { class: "swatch" });
  swatch.style.background = cell.color;
  button.append(swatch, cell.model);
  return button;
}

/** F1 on a line from 0 to 1: mean, SD, and the floor. */
function range(cell) {
  const [mean, sd] = cell.f1;
  const x = (value) => 2 + 96 * Math.min(1, Math.max(0, value));
  const label = `F1 ${spread(cell.f1)}, floor ${fixed(cell.floor)}`;
  return draw("svg", { class: "range", width: 100, height: 12, role: "img", "aria-label": label },
    draw("rect", { x: 2, y: 5, width: 96, height: 2 }),
    draw("line", { class: "floor", x1: x(cell.floor), x2: x(cell.floor), y1: 0, y2: 12 }),
    draw("line", { class: "sd", x1: x(mean - (sd ?? 0)), x2: x(mean + (sd ?? 0)), y1: 6, y2: 6 }),
    draw("circle", { cx: x(mean), cy: 6, r: 4 }));
}

function rowOf(cell) {
  const row = make("tr");
  for (const [name, kind, text] of COLUMNS) {
    const content = text(cell);
    row.append(make("td", { ...(kind && { class: kind }), ...(name === "model" && { "data-sort": cell.model }) }, content));
  }
  $(".open", row).addEventListener("click", () => toggle(row, cell));
  return row;
}

function fillCells() {
  const table = $("#cell-table");
  const head = make("tr");
  for (const [name, kind] of COLUMNS) head.append(make("th", { scope: "col", ...(kind && { class: kind }) }, name));
  table.tHead.append(head);
  sortable(table);
  $("th:nth-child(3)", table).replaceChildren(make("span", { class: "wide" })); // the bar goes by F1
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
      const whole = `${cell.dataset} ${cell.model}`.toLowerCase();
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
  apply();
}

const names = (values) => [...new Set(values)].sort().map((value) => [value, value]);

function options(select, ...pairs) {
  select.replaceChildren(...pairs.map(([value, text]) => make("option", { value }, text)));
}

// ---- one cell -------------------------------------------------------------------------------------------------

function close(details) {
  $(".open", details.previousElementSibling)?.setAttribute("aria-expanded", "false");
  details.remove();
}

function toggle(row, cell) {
  const next = row.nextElementSibling;
  if (next?.classList.contains("details")) return close(next);
  $(".open", row).setAttribute("aria-expanded", "true");
  const inside = make("div", { class: "inside" }, foldsOf(cell), lossesOf(cell), factsOf("Settings", settingsOf(cell)));
  if (Object.keys(cell.ofMaps).length) inside.append(factsOf("Maps", cell.ofMaps));
  inside.append(factsOf("Versions", DATA.versions[cell.versions]));
  row.after(make("tr", { class: "details" }, make("td", { colspan: COLUMNS.length }, inside)));
}

function foldsOf(cell) {
  const head = ["fold", "F1", "AUROC", "AP", "validation F1", "trained on", "tested on", "seconds"];
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...head.map((name) => make("th", {}, name)))));
  const body = table.createTBody();
  for (const run of cell.runs) {
    const counts = [run.train, run.test].map(([negatives, positives]) => `${negatives} + ${positives}`);
    const figures = [run.name, fixed(run.f1), fixed(run.auroc), fixed(run.ap), fixed(run.validation), ...counts];
    body.append(make("tr", {}, ...[...figures, Math.round(run.seconds)].map((text) => make("td", {}, text))));
  }
  const button = make("button", { type: "button" }, "Its test images");
  button.addEventListener("click", () => gallery.of(cell));
  const floors = make("p", { class: "note" }, "Images: normal + anomalous.");
  return make("div", {}, make("h3", {}, "Folds"), make("div", { class: "scroll" }, table), floors, button);
}

const settingsOf = (cell) => ({ ...DATA.configs[cell.config], cell: cell.id });

function factsOf(title, facts) {
  const list = make("dl");
  for (const [name, value] of Object.entries(facts)) list.append(make("dt", {}, name), make("dd", {}, String(value)));
  return make("div", {}, make("h3", {}, title), list);
}

/** Losses by epoch, the mean over the folds, on a logarithmic scale. */
function lossesOf(cell) {
  const box = make("div", {}, make("h3", {}, "Losses by epoch"));
  const parts = Object.keys(cell.curves).length - 1; // of the whole loss; a single part is the whole
  const curves = Object.entries(cell.curves).filter(([name]) => name === "loss" || parts > 1);
  if (!curves.length) return (box.append(make("p", { class: "note" }, "No curves were kept.")), box);
  const all = curves.flatMap(([, values]) => values).filter((value) => value > 0).map(Math.log10);
  const [low, high] = [Math.min(...all), Math.max(...all, Math.min(...all) + 0.1)];
  const [width, height, left, bottom] = [460, 200, 52, 172];
  const y = (value) => bottom - ((Math.log10(Math.max(value, 1e-12)) - low) / (high - low)) * (bottom - 12);
  const plot = draw("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img" });
  plot.setAttribute("aria-label", `Losses by epoch: ${curves.map(([name]) => name).join(", ")}`);
  for (const value of [10 ** low, 10 ** ((low + high) / 2), 10 ** high]) {
    plot.append(draw("line", { x1: left, x2: width - 8, y1: y(value), y2: y(value), stroke: "var(--line)" }));
    plot.append(draw("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, value.toPrecision(2)));
  }
  const styles = [["var(--ink)", ""], ["var(--accent)", "6 3"], ["var(--wrong)", "2 3"]];
  const legend = make("p", { class: "note" });
  curves.forEach(([name, values], number) => {
    const x = (epoch) => left + (epoch / Math.max(1, values.length - 1)) * (width - left - 8);
    const points = values.map((value, epoch) => `${x(epoch).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
    const [stroke, dashes] = styles[number % 3];
    plot.append(draw("polyline", { points, fill: "none", stroke, "stroke-width": 2, "stroke-dasharray": dashes }));
    legend.append(`${number ? " · " : ""}${["—", "– –", "···"][number % 3]} ${name}`);
  });
  const last = curves[0][1].length;
  plot.append(draw("text", { x: left, y: height - 8 }, "epoch 1"));
  plot.append(draw("text", { x: width - 8, y: height - 8, "text-anchor": "end" }, String(last)));
  box.append(plot, legend);
  return box;
}

// ---- start ----------------------------------------------------------------------------------------------------

fillCells();
document.querySelectorAll("table.paper").forEach(sortable);
document.querySelectorAll("input.narrow").forEach((input) => input.addEventListener("input", () => {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of $(`#${input.dataset.table}`).tBodies[0].rows) {
    row.hidden = !words.every((word) => row.cells[0].textContent.toLowerCase().includes(word));
  }
}));
