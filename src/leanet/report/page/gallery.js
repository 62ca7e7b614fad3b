// Every test image with its map, its attention, its evidence and what was said of it. After page.js, whose functions it uses.

const PAGE = 60;

const gallery = {
  form: $("#choices"),
  shown: PAGE,

  start() {
    const cells = DATA.cells.map((cell, number) => [cell, number]).filter(([cell]) => cell.images !== null);
    options(this.form.elements.cell, ...cells.map(([cell, number]) => [String(number), this.title(cell)]));
    this.form.elements.cell.addEventListener("change", () => this.refold());
    this.form.addEventListener("input", () => { this.shown = PAGE; this.show(); });
    this.form.addEventListener("submit", (event) => event.preventDefault());
    $("#more").addEventListener("click", () => { this.shown += PAGE; this.show(); });
    if (cells.length) this.refold();
    this.show();
  },

  title: (cell) => [cell.dataset, cell.model, differs(cell)].filter(Boolean).join(" · "),

  of(cell) {
    this.form.elements.cell.value = String(DATA.cells.indexOf(cell));
    this.refold();
    this.show();
    $("#gallery").scrollIntoView();
    this.form.elements.cell.focus({ preventScroll: true });
  },

  refold() {
    const runs = DATA.cells[this.form.elements.cell.value].runs;
    options(this.form.elements.fold, ["", "all"], ...runs.map((run, number) => [String(number), run.name]));
    this.shown = PAGE;
  },

  /** The images of the chosen cell and fold that are asked for, in the order that is asked for. */
  chosen(cell) {
    const { fold, show, order } = this.form.elements;
    const set = DATA.images[cell.images];
    const kept = {
      all: () => true, wrong: (item) => item.wrong, right: (item) => !item.wrong,
      missed: (item) => item.wrong && item.label, alarm: (item) => item.wrong && !item.label,
    }[show.value];
    const items = [];
    cell.runs.forEach((run, number) => {
      if (fold.value && fold.value !== String(number)) return;
      run.rows.forEach((row, place) => {
        const [label, chance] = [Number(set.labels[row]), run.chances[place] / 1000];
        items.push({ row, label, chance, fold: run.name, wrong: run.wrong[place] === "1", name: set.names[row] });
      });
    });
    const mistake = (item) => Math.abs(item.label - item.chance);
    const by = {
      worst: (a, b) => b.wrong - a.wrong || mistake(b) - mistake(a), high: (a, b) => b.chance - a.chance,
      name: (a, b) => (a.name < b.name ? -1 : 1),
    }[order.value];
    return items.filter(kept).sort(by);
  },

  show() {
    const cell = DATA.cells[this.form.elements.cell.value];
    if (!cell) return ($("#counted").textContent = "no test images are in this page");
    const items = this.chosen(cell);
    const tiles = tilesOf(cell);
    $("#missing").hidden = !cell.missing;
    $("#missing").textContent = cell.missing ?? "";
    $("#counted").textContent = `${items.length} images, ${items.filter((item) => item.wrong).length} of them wrong`;
    $("#cards").replaceChildren(...items.slice(0, this.shown).map((item) => card(item, tiles)));
    $("#more").hidden = items.length <= this.shown;
  },
};

/** The sprites that the cell's pictures are cut from: originals, maps, attention and evidence, as far as there are such. */
function tilesOf(cell) {
  const found = [DATA.images[cell.images].sprite, cell.maps, cell.attention, cell.evidence];
  const numbers = found.filter((number) => number !== null);
  const tiles = numbers.map((number) => DATA.sprites[number]);
  const rules = tiles.map(({ columns, rows }, number) => {
    const uri = document.getElementById(`sprite-${numbers[number]}`).textContent;
    return `.tile-${number} { background-image: url("${uri}"); background-size: ${columns * 100}% ${rows * 100}%; }`;
  });
  let sheet = $("#tiles");
  if (!sheet) document.head.append((sheet = make("style", { id: "tiles" })));
  if (sheet.textContent !== rules.join("\n")) sheet.textContent = rules.join("\n");
  return tiles;
}

function card(item, sprites) {
  const sort = (anomalous) => (anomalous ? "anomalous" : "normal");
  const called = sort((item.label === 1) !== item.wrong);
  const made = make("li", { class: item.wrong ? "card wrong" : "card" });
  const pictures = sprites.map((tile, number) => {
    const kind = tile.blocks ? " blocks" : ""; // a value of a map in its own resolution is a square
    const picture = make("span", { class: `picture tile-${number}${kind}` });
    const [column, row] = [item.row % tile.columns, Math.floor(item.row / tile.columns)];
    const share = (place, count) => (count > 1 ? (place / (count - 1)) * 100 : 0);
    picture.style.backgroundPosition = `${share(column, tile.columns)}% ${share(row, tile.rows)}%`;
    const size = tile.blocks ? make("span", { class: "size" }, ` · ${tile.blocks} × ${tile.blocks}`) : "";
    return make("span", { class: "tile" }, picture, make("span", { class: "title" }, tile.title, size));
  });
  const bar = make("i");
  bar.style.width = `${item.chance * 100}%`;
  const verdict = item.wrong ? `✗ called ${called}, but is ${sort(item.label)}` : `✓ called ${called}, rightly`;
  const caption = `${item.name}: ${verdict}, probability ${item.chance.toFixed(3)}, fold ${item.fold}`;
  if (pictures.length) made.append(enlargeable(caption, ...pictures));
  made.append(
    make("div", { class: "said-by", title: "probability of being anomalous" }, make("div", { class: "chance" }, bar),
      make("span", { class: "chance-text" }, item.chance.toFixed(3))),
    make("p", { class: "said" }, verdict),
    make("p", { class: "name", title: item.name }, `fold ${item.fold} · ${item.name}`));
  return made;
}

document.addEventListener("DOMContentLoaded", () => gallery.start()); // when the sprites are there
