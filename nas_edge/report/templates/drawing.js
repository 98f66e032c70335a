// The three flows of an architecture: a bar a layer, as wide as the root of its filters.
const ROW = 24;
const MIDDLE = 90;
const WIDEST = 150;

function layerBar(layer, y, most) {
  const width = Math.max(8, WIDEST * Math.sqrt(layer.filters / most));
  return svg("g", {},
    svg("rect", { class: layer.look, x: MIDDLE - width / 2, y, width, height: ROW - 5, rx: 3 }),
    svg("text", { class: "middle", x: MIDDLE, y: y + 14 }, layer.text));
}
function convLayer(conv) {
  const [filters, kernel, isSqueeze] = conv;
  return { filters, look: isSqueeze ? "squeeze" : kernel === 1 ? "k1" : "k3", text: kernel + "×" + kernel + " · " + filters, kernel, isSqueeze };
}

// Rows of a flow: layers of its blocks, a pooling where it halves, and the residual beside them.
function flowRows(blocks) {
  const rows = [];
  for (const block of blocks) {
    const first = rows.length;
    for (const conv of block.convs) rows.push(convLayer(conv));
    if (block.stride > 1) rows.push({ pool: true });
    rows[first].residual = { rows: rows.length - first, kernel: block.residual, times: block.times };
  }
  return rows;
}
function residualLine(from, until, residual) {
  const x = MIDDLE + WIDEST / 2 + 8;
  const label = residual.kernel === null ? "+" : residual.kernel + "×" + residual.kernel;
  const group = svg("g", {},
    svg("path", { class: "residual", d: "M" + (x - 5) + "," + from + "H" + x + "V" + until + "H" + (x - 5) }),
    svg("text", { class: "tick", x: x + 4, y: (from + until) / 2 + 4 }, label));
  if (residual.times > 1) group.append(svg("text", { x: x + 4, y: (from + until) / 2 + 22 }, "×" + residual.times));
  return group;
}
function flowFigure(title, rows, most) {
  const plot = svg("svg", { viewBox: "0 0 210 " + (rows.length * ROW + 4), role: "img", "aria-label": title + ": " + rows.map(rowText).join(", ") });
  rows.forEach((row, i) => {
    const y = i * ROW + 2;
    if (row.pool) plot.append(svg("text", { class: "tick middle", x: MIDDLE, y: y + 14 }, "▼ half the size"));
    else plot.append(layerBar(row, y, most));
    if (row.residual) plot.append(residualLine(y + 4, y + row.residual.rows * ROW - 8, row.residual));
  });
  return html("figure", { class: title === "entry flow" ? "first" : null }, html("figcaption", {}, title), plot);
}
function rowText(row) {
  const times = row.residual && row.residual.times > 1 ? row.residual.times + " times " : "";
  if (row.pool) return "half the size";
  const note = row.isSqueeze ? " (squeeze)" : row.isHalved ? " (half the size)" : "";
  return times + row.kernel + "×" + row.kernel + " with " + row.filters + " filters" + note;
}

function drawing(layers) {
  const stem = layers.stem.map(([filters, kernel, stride]) => (
    { filters, kernel, look: "k3", text: kernel + "×" + kernel + " · " + filters + (stride > 1 ? " ▼" : ""), isHalved: stride > 1 }));
  const inFlow = (flow) => flowRows(layers.blocks.filter((block) => block.flow === flow));
  const tail = layers.tail.map(convLayer);
  const flows = [["entry flow", [...stem, ...inFlow("entry")]], ["middle flow", inFlow("middle")], ["exit flow", [...inFlow("exit"), ...tail]]];
  const most = Math.max(...flows.flatMap(([, rows]) => rows.map((row) => row.filters || 0)));
  return html("div", {},
    html("div", { class: "flows" }, ...flows.filter(([, rows]) => rows.length).map(([title, rows]) => flowFigure(title, rows, most))),
    html("p", { class: "small" }, swatch("--k3"), "3×3 ", swatch("--k1"), "1×1 ", swatch("--squeeze"), "squeeze · kernel · filters; right: the residual (+ for identity)"));
}
function swatch(colour) { return html("span", { class: "key", style: "border-radius:2px;background:var(" + colour + ")" }); }
