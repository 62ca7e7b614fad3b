// Line plots as inline SVG in the page's colours: losses by epoch, ROC and precision-recall.

const BOX = { width: 300, height: 260, left: 46, right: 10, top: 12, bottom: 40 };

/**
 * An empty plot: a grid with numbers.
 * x and y: { at: (value) => pixel, ticks: [[value, text], …], title }.
 */
function emptyPlot(label, box, x, y) {
  const [right, bottom] = [box.width - box.right, box.height - box.bottom];
  const plot = draw("svg", { class: "plot", width: box.width, viewBox: `0 0 ${box.width} ${box.height}`, role: "img", "aria-label": label });
  for (const [value, text] of y.ticks) {
    plot.append(draw("line", { class: "grid", x1: box.left, x2: right, y1: y.at(value), y2: y.at(value) }));
    plot.append(draw("text", { x: box.left - 6, y: y.at(value) + 4, "text-anchor": "end" }, text));
  }
  for (const [value, text] of x.ticks) {
    plot.append(draw("line", { class: "grid", x1: x.at(value), x2: x.at(value), y1: box.top, y2: bottom }));
    plot.append(draw("text", { x: x.at(value), y: bottom + 15, "text-anchor": "middle" }, text));
  }
  plot.append(draw("text", { x: (box.left + right) / 2, y: box.height - 6, "text-anchor": "middle" }, x.title));
  const middle = (box.top + bottom) / 2;
  plot.append(draw("text", { x: 11, y: middle, "text-anchor": "middle", transform: `rotate(-90 11 ${middle})` }, y.title));
  return plot;
}

const joined = (pairs, x, y) => pairs.map(([a, b]) => `${x.at(a).toFixed(1)},${y.at(b).toFixed(1)}`).join(" ");

/** Losses by epoch, the mean over the folds, on a logarithmic scale. */
function lossesOf(cell) {
  const parts = Object.keys(cell.curves).length - 1; // of the whole loss; a single part is the whole
  const curves = Object.entries(cell.curves).filter(([name]) => name === "loss" || parts > 1);
  if (!curves.length) return make("div", {}, make("h3", {}, "Losses by epoch"), make("p", { class: "note" }, "No curves were kept."));
  const box = { ...BOX, width: 420, left: 60 };
  const all = curves.flatMap(([, values]) => values).filter((value) => value > 0).map(Math.log10);
  const [low, high] = [Math.min(...all), Math.max(...all, Math.min(...all) + 0.1)];
  const last = Math.max(...curves.map(([, values]) => values.length));
  const y = {
    at: (value) => box.height - box.bottom
      - ((Math.log10(Math.max(value, 10 ** low)) - low) / (high - low)) * (box.height - box.bottom - box.top),
    ticks: [low, (low + high) / 2, high].map((power) => [10 ** power, (10 ** power).toPrecision(2)]), title: "loss",
  };
  const x = {
    at: (epoch) => box.left + ((epoch - 1) / Math.max(1, last - 1)) * (box.width - box.left - box.right),
    ticks: [...new Set([1, Math.round((1 + last) / 2), last])].map((epoch) => [epoch, String(epoch)]), title: "epoch",
  };
  const plot = emptyPlot(`Losses by epoch: ${curves.map(([name]) => name).join(", ")}`, box, x, y);
  const legend = curves.map(([name, values], number) => {
    plot.append(draw("polyline", { class: `line line-${number % 3}`, points: joined(values.map((value, epoch) => [epoch + 1, value]), x, y) }));
    return `${["—", "– –", "···"][number % 3]} ${name}`;
  });
  return plotted("Losses by epoch", plot, [...legend, "(mean over the folds, logarithmic scale)"], cell);
}

/** A plot under its heading, which a click shows large, above its legend. */
function plotted(title, plot, entries, cell) {
  const legend = entries.map((entry) => entry.replaceAll(" ", "\u00a0")).join("   "); // lines break between entries
  const caption = `${title} of ${captionOf(cell)}. ${legend}`;
  return make("div", {}, make("h3", {}, title), enlargeable(caption, plot), make("p", { class: "note legend" }, legend));
}

const share = (from, to, title) => ({
  at: (value) => from + value * (to - from), title, ticks: [0, 0.25, 0.5, 0.75, 1].map((value) => [value, String(value)]),
});

// How a fold's curve, the lists of its x and y, is drawn and read at one x.
const CURVES = {
  roc: {
    title: "ROC", score: "auroc", figure: "AUROC", x: "false positive rate", y: "true positive rate", base: "chance",
    points: ([xs, ys]) => xs.map((x, place) => [x, ys[place]]),
    value([xs, ys], at) { // the largest y at this x
      const place = xs.findLastIndex((x) => x <= at);
      if (place === xs.length - 1) return ys[place];
      return ys[place] + ((at - xs[place]) / (xs[place + 1] - xs[place])) * (ys[place + 1] - ys[place]);
    },
    start: [[0, 0]],
    baseline: () => [0, 1],
  },
  pr: {
    title: "Precision-recall", score: "ap", figure: "AP", x: "recall", y: "precision", base: "share of anomalous images",
    points: ([xs, ys]) => xs.flatMap((x, place) => [[xs[place - 1] ?? 0, ys[place]], [x, ys[place]]]),
    value: ([xs, ys], at) => ys[xs.findIndex((x) => x >= at)],
    start: [],
    baseline(runs) {
      const [normal, anomalous] = [0, 1].map((label) => runs.reduce((sum, run) => sum + run.test[label], 0));
      return [anomalous / (normal + anomalous), anomalous / (normal + anomalous)];
    },
  },
};

/** The ROC or precision-recall curve: a thin line for each fold, a thick one for their mean, the area in the legend. */
function curveOf(cell, name) {
  const kind = CURVES[name];
  const runs = cell.runs.filter((run) => run[name]);
  if (!runs.length) return [];
  const [x, y] = [share(BOX.left, BOX.width - BOX.right, kind.x), share(BOX.height - BOX.bottom, BOX.top, kind.y)];
  const area = `${kind.figure} ${spread(cell[kind.score])}`;
  const plot = emptyPlot(`${kind.title}, ${area}`, BOX, x, y);
  const line = (style, points, ...more) => plot.append(draw("polyline", { class: style, points: joined(points, x, y) }, ...more));
  line("baseline", kind.baseline(runs).map((value, at) => [at, value]));
  const curves = runs.map((run) => run[name].map((values) => values.map((value) => value / 1000)));
  curves.forEach((curve, number) => {
    const told = `fold ${runs[number].name}: ${kind.figure} ${fixed(runs[number][kind.score])}`;
    line("line fold", kind.points(curve), draw("title", {}, told));
  });
  if (runs.length > 1) {
    const places = Array.from({ length: 101 }, (_, place) => place / 100);
    const mean = (at) => curves.reduce((sum, curve) => sum + kind.value(curve, at), 0) / curves.length;
    line("line mean", [...kind.start, ...places.map((at) => [at, mean(at)])]);
  }
  const lines = runs.length > 1 ? [`━ mean of ${runs.length} folds`, "— one fold"] : ["— its one fold"];
  return [plotted(kind.title, plot, [area, ...lines, `··· ${kind.base}`], cell)];
}
