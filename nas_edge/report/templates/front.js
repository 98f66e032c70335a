// The plot of candidates. Figures of different devices, sources or images get axes of their own.
const COLOURS = ["#0b8f66", "#3b75c4", "#c4622d", "#8a56b8", "#a3881f", "#c2447f"];
const shown = { x: null, y: null, near: false, chosen: null, focused: null };

function groupsOf(x, y) {
  const groups = new Map();
  for (const record of data.records) {
    const fx = record.figures[x];
    const fy = record.figures[y];
    if (!fx || !fy) continue;
    const key = axesOf(record, x, y);
    if (!groups.has(key)) groups.set(key, { key, device: record.device, sources: [fx[2], fy[2]], records: [] });
    groups.get(key).records.push(record);
  }
  return [...groups.values()];
}
// What has to be the same for two figures to stand on one pair of axes; null where one is missing.
function axesOf(one, x, y) {
  const sources = [x, y].map((m) => one.figures[m] && one.figures[m][one.figures[m].length - 1]);
  return sources.includes(undefined) ? null : [one.device, ...sources, data.runs[one.run].images].join("|");
}
// The step line of a pair of axes: what no other point beats in both.
function lineOf(points, x, y) {
  const sx = isMaximized(x) ? -1 : 1;
  const sy = isMaximized(y) ? -1 : 1;
  const sorted = [...points].sort((a, b) => sx * (a.x - b.x) || sy * (a.y - b.y));
  let best = Infinity;
  return sorted.filter((point) => { const better = sy * point.y < best; if (better) best = sy * point.y; return better; });
}
function stepPath(line, box) {
  return line.map((p, i) => i ? "H" + box.px(p.x) + "V" + box.py(p.y) : "M" + box.px(p.x) + "," + box.py(p.y)).join("");
}
// Where the steps lie: what a name should not cover.
function stepAreas(line, box) {
  const areas = [];
  line.slice(1).forEach((p, i) => {
    const from = { x: box.px(line[i].x), y: box.py(line[i].y) }, to = { x: box.px(p.x), y: box.py(p.y) };
    areas.push({ left: Math.min(from.x, to.x), right: Math.max(from.x, to.x), y: from.y, half: 1 });
    areas.push({ left: to.x - 1, right: to.x + 1, y: (from.y + to.y) / 2, half: Math.abs(from.y - to.y) / 2 });
  });
  return areas;
}

function drawFront() {
  const groups = groupsOf(shown.x, shown.y);
  byId("charts").replaceChildren(...groups.map((group) => chartOf(group, groups.length)));
  if (!groups.length) byId("charts").append(html("p", { class: "note" }, "No candidate has both figures."));
  legend();
}
function chartOf(group, numGroups) {
  const { x, y } = shown;
  const points = group.records.map((record) => ({ record, x: figure(record, x) * scaleOf(x), y: figure(record, y) * scaleOf(y) }));
  const unfit = data.metrics[x].unit === "bytes" && x === "peak_memory"
    ? data.records.filter((r) => r.needs !== null && r.device === group.device && kindOf(r) === "infeasible" && group.records.some((o) => o.run === r.run))
    : [];
  const width = Math.max(280, byId("charts").clientWidth || 640);
  const height = Math.round(Math.min(520, Math.max(330, width * 0.62)));
  const near = points.filter((p) => p.record.front || p.record.reference);
  const domain = shown.near && near.length > 1 ? near : points;
  const xs = domain.map((p) => p.x).concat(shown.near ? [] : unfit.map((r) => r.needs / MIB));
  const box = axes(width, height, range(xs, 0.06), range(domain.map((p) => p.y), 0.12), { left: 58, right: 12, top: 14, bottom: 44 });
  const inside = points.filter((p) => box.px(p.x) >= box.inner.left - 1 && box.px(p.x) <= box.inner.right + 1 && box.py(p.y) >= box.inner.top - 1 && box.py(p.y) <= box.inner.bottom + 1);
  const label = data.metrics[y].title + " against " + data.metrics[x].title + ", " + points.length + " candidates; arrow keys move, Enter chooses";
  const plot = svg("svg", { viewBox: "0 0 " + width + " " + height, width, height, role: "group", "aria-label": label }, box.grid,
    svg("text", { class: "title middle", x: (box.inner.left + box.inner.right) / 2, y: height - 8 }, titleOf(x)),
    svg("text", { class: "title middle", transform: "translate(12," + (box.inner.top + box.inner.bottom) / 2 + ") rotate(-90)" }, titleOf(y)));
  const lines = quadrants(plot, group, points, box);
  for (const run of new Set(group.records.map((r) => r.run))) {
    const line = lineOf(inside.filter((p) => p.record.run === run), x, y);
    lines.push(...stepAreas(line, box));
    plot.append(svg("path", { class: "line", style: data.runs.length > 1 ? "stroke:" + COLOURS[run % COLOURS.length] : null, d: stepPath(line, box), "aria-hidden": "true" }));
  }
  errorBars(plot, group, box);
  const order = { failed: 0, infeasible: 0, stopped: 0, dominated: 1, front: 2 };
  const marks = inside.sort((a, b) => order[kindOf(a.record)] - order[kindOf(b.record)] || a.x - b.x)
    .map((p) => mark(p.record, box.px(p.x), box.py(p.y)));
  const strip = unfit.filter((r) => box.px(r.needs / MIB) <= box.inner.right + 1)
    .map((r) => mark(r, box.px(r.needs / MIB), box.inner.bottom - 7));
  plot.append(...names(inside, lines, box), ...marks, ...strip);
  const tip = html("div", { class: "tip", hidden: true, "aria-hidden": "true" });
  const chart = html("div", { class: "chart" }, numGroups > 1 ? html("h3", {}, groupTitle(group)) : null, plot, tip);
  listen(chart, plot, tip);
  return chart;
}
function groupTitle(group) {
  const runs = [...new Set(group.records.map((r) => data.runs[r.run].label))].join(", ");
  return runs + " – " + data.texts[group.device] + "; " + [...new Set(group.sources.map((s) => data.texts[s]))].join("; ");
}
// Draws the paper's quadrants and returns where their names lie.
function quadrants(plot, group, points, box) {
  const areas = [];
  const level = data.runs[group.records[0].run].quadrants;
  const isPapers = shown.y.endsWith("accuracy") && shown.x.endsWith("memory");
  if (level === null || !isPapers || !points.length) return areas;
  const xs = points.map((p) => p.x);
  const middle = box.px((Math.min(...xs) + Math.max(...xs)) / 2);
  const y = box.py(100 * level);
  const { left, right, top, bottom } = box.inner;
  if (middle > left && middle < right) plot.append(svg("line", { class: "frontier", x1: middle, x2: middle, y1: top, y2: bottom }));
  if (y > top && y < bottom) plot.append(svg("line", { class: "frontier", x1: left, x2: right, y1: y, y2: y }));
  const isWide = right - left > 520;
  const put = (level, memory, ty) => {
    const text = isWide ? level + " accuracy, " + memory + " memory" : level + " acc., " + memory + " mem.";
    const isEnd = memory === "high", x = isEnd ? right - 6 : left + 6, length = 6.5 * text.length;
    plot.append(svg("text", { class: "region" + (isEnd ? " end" : ""), x, y: ty, "aria-hidden": "true" }, text));
    areas.push({ left: isEnd ? x - length : x, right: isEnd ? x : x + length, y: ty - 4, half: 7 });
  };
  for (const memory of ["low", "high"]) {
    if (y > top + 14) put("high", memory, top + 12);
    if (y < bottom - 14) put("low", memory, bottom - 20);
  }
  return areas;
}
// Networks with several seeds: the mean and its interval, as far as the axes go.
function errorBars(plot, group, box) {
  const { x, y } = shown;
  const { left, right, top, bottom } = box.inner;
  for (const bar of data.bars.filter((one) => axesOf(one, x, y) === group.key)) {
    const [mx, lx, hx] = bar.figures[x].map((value) => box.px(value * scaleOf(x)));
    const [my, ly, hy] = bar.figures[y].map((value) => box.py(value * scaleOf(y)));
    if (mx < left || mx > right || my < top || my > bottom) continue;
    const within = (value, low, high) => Math.min(Math.max(value, low), high);
    plot.append(
      svg("line", { class: "error", x1: within(lx, left, right), x2: within(hx, left, right), y1: my, y2: my }),
      svg("line", { class: "error", x1: mx, x2: mx, y1: within(ly, top, bottom), y2: within(hy, top, bottom) }));
  }
}
function mark(record, x, y) {
  const kind = kindOf(record);
  const dot = kind === "infeasible"
    ? svg("path", { class: "dot", d: "M-5,4L0,-5L5,4Z" })
    : svg("circle", { class: "dot", r: kind === "front" ? 6 : 4 });
  const figures = [shown.y, shown.x].map((m) => data.metrics[m].title + " " + figureText(record, m)).join(", ");
  return svg("g", {
    class: "point " + kind + (record === shown.chosen ? " chosen" : ""), transform: "translate(" + x.toFixed(1) + "," + y.toFixed(1) + ")",
    role: "button", tabindex: "-1", "data-record": data.records.indexOf(record), "aria-pressed": String(record === shown.chosen),
    "aria-label": nameOf(record) + ": " + figures + ", " + placeOf(record),
    style: data.runs.length > 1 ? "--colour:" + COLOURS[record.run % COLOURS.length] : null
  }, svg("circle", { class: "hit", r: 11 }), record.reference ? svg("path", { class: "ref", d: "M0,-10L10,0L0,10L-10,0Z" }) : null, dot, svg("circle", { class: "ring", r: record.reference ? 13 : 9 }));
}
// Names of the handcrafted ones: beside the mark, where they cover the fewest points, lines and names.
function names(points, lines, box) {
  const taken = lines.concat(points.map((p) => ({ left: box.px(p.x) - 7, right: box.px(p.x) + 7, y: box.py(p.y), half: 7, weight: 10 })));
  const first = Math.min(...points.map((p) => p.record.run));  // others have the same names
  return points.filter((p) => p.record.reference && p.record.run === first).sort((a, b) => box.py(a.y) - box.py(b.y)).map((p) => {
    const name = p.record.name.length > 28 ? p.record.name.slice(0, 27) + "…" : p.record.name;
    const isRight = box.px(p.x) > (box.inner.left + box.inner.right) / 2;
    const places = [0, 14, -14, 28, -28, 42, -42].flatMap((down) => [isRight, !isRight].map((end) => {
      const x = box.px(p.x) + (end ? -15 : 15), y = box.py(p.y) + down, width = 6.5 * name.length;
      return { end, x, y, left: end ? x - width : x, right: end ? x : x + width, half: 7, weight: 10 };
    }));
    const best = places.map((place) => ({ place, cost: coverOf(place, taken, box) })).reduce((a, b) => (b.cost < a.cost ? b : a)).place;
    taken.push(best);
    return svg("text", { class: "ref-name" + (best.end ? " end" : ""), x: best.x, y: best.y + 4, "aria-hidden": "true" }, name);
  });
}
// What a name would lie on: a point or a name weighs as much as ten lines; more if it would leave the plot.
function coverOf(place, taken, box) {
  const isOut = place.left < box.inner.left || place.right > box.inner.right || place.y < box.inner.top || place.y > box.inner.bottom;
  return (isOut ? 1000 : 0) + taken.filter((t) => t.left < place.right && t.right > place.left && Math.abs(t.y - place.y) < t.half + place.half)
    .reduce((sum, t) => sum + (t.weight || 1), 0);
}
function legend() {
  const key = (look, text, colour) => html("span", {}, html("span", { class: "key " + look, style: colour ? "--colour:" + colour : null }), text);
  const runs = data.runs.length > 1 ? data.runs.map((run, i) => key("", run.label, COLOURS[i % COLOURS.length])) : [key("front", "on the front"), key("dominated", "dominated")];
  const quadrant = shown.y.endsWith("accuracy") && shown.x.endsWith("memory") && data.runs[0].quadrants !== null;
  const isStrip = (r) => shown.x === "peak_memory" && kindOf(r) === "infeasible" && r.needs !== null;
  const hidden = data.records.filter((r) => !(r.figures[shown.x] && r.figures[shown.y]) && !isStrip(r)).length;
  byId("legend").replaceChildren(...[
    ...runs, data.records.some((r) => r.reference) ? key("reference", "handcrafted") : null,
    data.records.some(isStrip) ? key("infeasible", "did not fit: needs at least") : null,
    data.bars.some((bar) => bar.figures[shown.x] && bar.figures[shown.y]) ? key("cross", "mean of seeds, 95%") : null,
    quadrant ? key("dash", "the paper's quadrants") : null, hidden ? html("span", {}, hidden + " without these figures") : null].filter(Boolean));
}

// Mouse, touch and keyboard. One point is in the tab order; the arrows go on from there.
function listen(chart, plot, tip) {
  const points = [...plot.querySelectorAll(".point")];
  const ordered = [...points].sort((a, b) => placeX(a) - placeX(b));
  const start = ordered.find((p) => p.classList.contains("chosen")) || ordered[0];
  if (start) start.setAttribute("tabindex", "0");
  const recordOf = (node) => data.records[Number(node.dataset.record)];
  plot.addEventListener("click", (event) => { const node = event.target.closest(".point"); if (node) choose(recordOf(node), "plot"); });
  plot.addEventListener("keydown", (event) => {
    const at = ordered.indexOf(event.target.closest(".point"));
    const to = { ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1, Home: 0, End: ordered.length - 1 }[event.key];
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(recordOf(ordered[at]), "plot"); }
    if (to === undefined || !ordered[to]) return;
    event.preventDefault();
    ordered.forEach((p) => p.setAttribute("tabindex", "-1"));
    ordered[to].setAttribute("tabindex", "0");
    ordered[to].focus();
  });
  const show = (event) => { const node = event.target.closest(".point"); if (node) showTip(chart, tip, node, recordOf(node)); };
  const hide = () => { tip.hidden = true; };
  plot.addEventListener("pointerover", show);
  plot.addEventListener("focusin", show);
  plot.addEventListener("pointerout", hide);
  plot.addEventListener("focusout", hide);
}
function placeX(node) { return Number(/translate\(([-\d.]+)/.exec(node.getAttribute("transform"))[1]); }
function showTip(chart, tip, node, record) {
  const lines = Object.keys(record.figures).slice(0, 8).map((m) => data.metrics[m].title + ": " + figureText(record, m));
  tip.replaceChildren(html("b", {}, nameOf(record)), ...lines.flatMap((line) => [html("br", {}), line]));
  tip.hidden = false;
  const frame = chart.getBoundingClientRect();
  const point = node.getBoundingClientRect();
  const left = Math.min(point.right - frame.left + 6, frame.width - tip.offsetWidth - 4);
  tip.style.left = Math.max(0, left) + "px";
  tip.style.top = Math.max(0, point.top - frame.top - tip.offsetHeight - 6) + "px";
}
