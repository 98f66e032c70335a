// Elements, numbers and axes: what every part of the page uses.
const data = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const MIB = 1048576;

function byId(id) { return document.getElementById(id); }

// Texts become text nodes and attributes only, never markup.
function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...(children || []).filter((child) => child !== null));
  return node;
}
function html(tag, attributes, ...children) { return fill(document.createElement(tag), attributes, children); }
function svg(tag, attributes, ...children) { return fill(document.createElementNS(SVG, tag), attributes, children); }

function unitOf(metric) {
  const unit = data.metrics[metric].unit;
  return { bytes: "MiB", share: "%", count: "" }[unit] === undefined ? unit : { bytes: "MiB", share: "%", count: "" }[unit];
}
// Figures are kept as they were measured; axes and limits have the units that people read.
function scaleOf(metric) { return { bytes: 1 / MIB, share: 100 }[data.metrics[metric].unit] || 1; }
function titleOf(metric) {
  const unit = unitOf(metric);
  return data.metrics[metric].title + (unit ? " (" + unit + ")" : "");
}
function isMaximized(metric) { return data.metrics[metric].direction === "maximize"; }
function figure(record, metric) { return record.figures[metric] ? record.figures[metric][0] : null; }
function figureText(record, metric) { return record.figures[metric] ? record.figures[metric][1] : "–"; }

function short(value) {
  const size = Math.abs(value);
  for (const [limit, suffix] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (size >= limit) return +(value / limit * (suffix === "k" ? 10 : 1)).toPrecision(4) + suffix;
  }
  return String(+value.toPrecision(4));
}
function mebibytes(size) { return (size / MIB).toFixed(1) + " MiB"; }
function kindOf(record) {
  if (record.front) return "front";
  if (record.outcome === "finished") return "dominated";
  if (record.outcome === "stopped") return "stopped";
  return record.outcome === "out_of_memory" || record.outcome === "over_limit" ? "infeasible" : "failed";
}
function nameOf(record) {
  const training = record.training ? " (" + record.training + ")" : "";
  return record.name + training + (data.runs.length > 1 ? ", " + data.runs[record.run].label : "");
}
function placeOf(record) {
  const kind = kindOf(record);
  if (kind === "front") return "on the front";
  return kind === "dominated" ? "dominated" : record.outcome.replace(/_/g, " ");
}

// Round steps for an axis: 1, 2, 2.5 or 5 times a power of ten.
function ticks(low, high, count) {
  const rough = (high - low) / count || 1;
  const power = Math.pow(10, Math.floor(Math.log10(rough)));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((one) => one >= rough * 0.999);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) found.push(i * step);
  return found;
}
function range(values, margin) {
  let low = Math.min(...values);
  let high = Math.max(...values);
  const room = (high - low || Math.abs(high) || 1) * margin;
  return [low >= 0 ? Math.max(0, low - room) : low - room, high + room];
}
