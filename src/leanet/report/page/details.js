// What is behind the numbers of one cell: folds, curves, confusion matrix, settings and versions.

/** A cell with all settings that its table shares. */
const captionOf = (cell) => `${[cell.dataset, cell.model, cell.details].filter(Boolean).join(" · ")}: ${DATA.captions[cell.caption]}`;

function close(details) {
  $(".open", details.previousElementSibling)?.setAttribute("aria-expanded", "false");
  details.remove();
}

function toggle(row, cell) {
  const next = row.nextElementSibling;
  if (next?.classList.contains("details")) return close(next);
  $(".open", row).setAttribute("aria-expanded", "true");
  const inside = make("div", { class: "inside" }, make("p", { class: "caption" }, captionOf(cell)), foldsOf(cell));
  inside.append(...confusionOf(cell), ...kindsOf(cell), ...curveOf(cell, "roc"), ...curveOf(cell, "pr"), lossesOf(cell));
  inside.append(factsOf("Settings", { ...DATA.configs[cell.config], cell: cell.id }));
  if (Object.keys(cell.ofMaps).length) inside.append(factsOf("Maps", cell.ofMaps));
  inside.append(factsOf("Versions", DATA.versions[cell.versions]));
  row.after(make("tr", { class: "details" }, make("td", { colspan: COLUMNS.length }, inside)));
}

function tableOf(heads, rows, attributes = {}) {
  const table = make("table", attributes, make("thead", {}, make("tr", {}, ...heads.map((name) => make("th", { scope: "col" }, name)))));
  const body = table.createTBody();
  for (const texts of rows) body.append(make("tr", {}, ...texts.map((text) => make("td", {}, text))));
  return table;
}

function foldsOf(cell) {
  const table = tableOf(
    ["fold", "F1", "AUROC", "AP", "validation F1", "trained on", "tested on", "seconds"],
    cell.runs.map((run) => [
      run.name, fixed(run.f1), fixed(run.auroc), fixed(run.ap), fixed(run.validation),
      ...[run.train, run.test].map(([negatives, positives]) => `${negatives} + ${positives}`), String(Math.round(run.seconds)),
    ]),
    { class: "folds" },
  );
  const button = make("button", { type: "button" }, "Its test images");
  button.addEventListener("click", () => gallery.of(cell));
  const name = `folds of ${cell.model} on ${cell.dataset}`;
  return make("div", {}, make("h3", {}, "Folds"), make("div", { class: "scroll" }, table),
    make("p", { class: "note" }, "Images: normal + anomalous."), button, " ", csvButton(name, () => textsOf(table)));
}

/** Numbers of test images by what they are and what they are called, all folds together. */
function confusionOf(cell) {
  const counted = cell.runs.filter((run) => run.confusion);
  if (!counted.length) return [];
  const sums = [0, 1, 2, 3].map((place) => counted.reduce((sum, run) => sum + run.confusion[place], 0));
  const text = (place) => {
    const ofClass = sums[place & 2] + sums[place | 1];
    const right = place === 0 || place === 3;
    return make("span", { class: right ? "right" : "wrong" },
      `${right ? "✓" : "✗"} ${sums[place]} (${ofClass ? Math.round((100 * sums[place]) / ofClass) : 0} %)`);
  };
  const rows = ["normal", "anomalous"].map((name, label) => [`is ${name}`, text(2 * label), text(2 * label + 1)]);
  const folds = counted.length === 1 ? "Its one fold" : `All ${counted.length} folds together`;
  return [make("div", {}, make("h3", {}, "Confusion matrix"),
    make("div", { class: "scroll" }, tableOf(["", "called normal", "called anomalous"], rows, { class: "confusion" })),
    make("p", { class: "note" }, `${folds}; called anomalous above probability 0.5.`))];
}

/** How many anomalous images of each kind are found; nothing if the kinds are not known. */
function kindsOf(cell) {
  if (!cell.kinds.length) return [];
  const table = tableOf(["kind", "images", "found", "recall, 95 %", "AUROC"], cell.kinds, { class: "kinds" });
  const button = csvButton(`kinds of ${cell.model} on ${cell.dataset}`, () => textsOf(table));
  return [make("div", {}, make("h3", {}, "Kinds of anomalies"), make("div", { class: "scroll" }, table),
    make("p", { class: "note" }, "All folds together; found above probability 0.5. AUROC: beside all normal images."), button)];
}

function factsOf(title, facts) {
  const list = make("dl");
  for (const [name, value] of Object.entries(facts)) list.append(make("dt", {}, name), make("dd", {}, String(value)));
  return make("div", {}, make("h3", {}, title), list);
}
