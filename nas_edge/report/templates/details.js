// Everything about one candidate: figures, drawing, difference to the paper's, curves, memory, commands.
function section(title, node) { return node ? [html("h4", {}, title), node] : []; }

function figuresList(record) {
  const list = html("dl", {});
  for (const metric of Object.keys(data.metrics)) {
    if (record.figures[metric]) list.append(html("dt", {}, data.metrics[metric].title), html("dd", {}, figureText(record, metric)));
  }
  if (record.needs !== null) list.append(html("dt", {}, "needs at least"), html("dd", {}, mebibytes(record.needs)));
  list.append(html("dt", {}, "time taken"), html("dd", {}, record.time), html("dt", {}, "seed"), html("dd", {}, String(record.seed)));
  return list;
}
function differenceTable(record) {
  if (!record.diff.length) return null;
  const body = html("tbody", {});
  for (const [name, own, paper] of record.diff) {
    body.append(html("tr", {}, html("th", { scope: "row" }, name), html("td", {}, own), html("td", {}, paper)));
  }
  return html("div", { class: "scroll" }, html("table", { class: "plain" },
    html("thead", {}, html("tr", {}, html("th", { scope: "col" }, "choice"), html("th", { scope: "col" }, "this one"), html("th", { scope: "col" }, "the paper's"))), body));
}
function curvesOf(record) {
  const c = record.curves;
  if (!c.epoch) return null;
  const accuracy = curves(c.epoch, [{ name: "validation", values: c.val_accuracy }, { name: "training", values: c.train_accuracy, soft: true }], 100, "accuracy % (dashed: training)", "%");
  const memory = curves(c.epoch, [{ name: "peak", values: c.peak_memory_bytes }, { name: "mean", values: c.mean_memory_bytes, soft: true }], 1, "memory in training, MiB (dashed: mean)", " MiB");
  return html("div", { class: "curves" }, accuracy, memory);
}
function partsOf(record) {
  const parts = Object.entries(record.parts);
  if (!parts.length) return null;
  const most = Math.max(...parts.map(([, size]) => size));
  const list = html("div", { class: "parts" });
  const sum = parts.reduce((total, [, size]) => total + size, 0);
  for (const [name, size] of parts) {
    list.append(html("span", {}, name), html("i", { style: "--share:" + 100 * size / most + "%" }), html("span", { class: "figure" }, mebibytes(size)));
  }
  list.append(html("b", {}, "sum"), html("span", {}), html("b", { class: "figure" }, mebibytes(sum)));
  return list;
}
function commandsOf(record) {
  if (!record.commands.length) return null;
  const list = html("div", {});
  for (const [name, text] of record.commands) {
    const code = html("code", {}, text);
    const button = html("button", { type: "button", "aria-label": "Copy: " + name }, "Copy");
    button.addEventListener("click", () => copy(code, button));
    list.append(html("span", { class: "command-name" }, name), html("div", { class: "command" }, code, button));
  }
  return list;
}
function copy(code, button) {
  const done = () => { button.textContent = "Copied"; setTimeout(() => { button.textContent = "Copy"; }, 1500); };
  const mark = () => getSelection().selectAllChildren(code);
  if (navigator.clipboard) navigator.clipboard.writeText(code.textContent).then(done, mark);
  else mark();
}
function aboutText(record) {
  const parts = [placeOf(record)];
  if (record.paper) parts.unshift("the paper's configuration");
  else if (record.reference) parts.unshift("handcrafted");
  return parts.join(", ") + (record.reason ? ": " + record.reason : "");
}

function showDetails(record) {
  byId("details").replaceChildren(
    html("a", { class: "back", href: "#front" }, "Back to the plot"),
    html("h3", {}, nameOf(record)),
    html("p", { class: "about" }, aboutText(record)),
    figuresList(record),
    ...section("Architecture", record.layers ? drawing(record.layers) : null),
    ...section("Difference to the paper's configuration", record.paper ? null : differenceTable(record)),
    ...section("Curves", curvesOf(record)),
    ...section("Memory by part, as estimated", partsOf(record)),
    ...section("Commands", commandsOf(record)));
}
