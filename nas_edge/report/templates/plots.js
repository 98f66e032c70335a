// A pair of axes in an SVG, and a small plot of curves.
function axes(width, height, x, y, pad) {
  const inner = { left: pad.left, right: width - pad.right, top: pad.top, bottom: height - pad.bottom };
  const px = (value) => inner.left + (inner.right - inner.left) * (value - x[0]) / (x[1] - x[0] || 1);
  const py = (value) => inner.bottom - (inner.bottom - inner.top) * (value - y[0]) / (y[1] - y[0] || 1);
  const grid = svg("g", { "aria-hidden": "true" });
  for (const value of ticks(x[0], x[1], Math.max(3, (inner.right - inner.left) / 90))) {
    grid.append(
      svg("line", { class: "grid", x1: px(value), x2: px(value), y1: inner.top, y2: inner.bottom }),
      svg("text", { class: "tick middle", x: px(value), y: inner.bottom + 16 }, short(value))
    );
  }
  for (const value of ticks(y[0], y[1], Math.max(3, (inner.bottom - inner.top) / 55))) {
    grid.append(
      svg("line", { class: "grid", x1: inner.left, x2: inner.right, y1: py(value), y2: py(value) }),
      svg("text", { class: "tick end", x: inner.left - 6, y: py(value) + 4 }, short(value))
    );
  }
  return { inner, px, py, grid };
}

// One curve a column; a curve of one epoch is a dot.
function curves(epochs, columns, scale, title, unit) {
  const there = columns.filter((column) => column.values);
  const all = there.flatMap((column) => column.values).filter((value) => value !== null);
  if (!all.length) return null;
  const box = axes(230, 140, [Math.min(...epochs), Math.max(...epochs)], range(all.map((v) => v * scale), 0.08),
    { left: 38, right: 8, top: 8, bottom: 22 });
  const last = there.map((column) => column.name + " " + short(column.values[column.values.length - 1] * scale) + unit);
  const plot = svg("svg", { viewBox: "0 0 230 140", role: "img", "aria-label": title + " by epoch, at the last: " + last.join(", ") }, box.grid);
  for (const column of there) {
    const points = column.values.map((value, i) => value === null ? null : [box.px(epochs[i]), box.py(value * scale)]).filter(Boolean);
    if (points.length === 1) plot.append(svg("circle", { cx: points[0][0], cy: points[0][1], r: 3, fill: "var(--front)" }));
    else plot.append(svg("path", { class: column.soft ? "line soft" : "line", d: "M" + points.map((p) => p.join(",")).join("L") }));
  }
  return html("figure", {}, plot, html("figcaption", {}, title));
}
