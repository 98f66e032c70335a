// The page's start, and what happens when a candidate is chosen anywhere.
function choose(record, from) {
  shown.chosen = record;
  for (const node of document.querySelectorAll(".point")) {
    const isChosen = data.records[Number(node.dataset.record)] === record;
    node.classList.toggle("chosen", isChosen);
    node.setAttribute("aria-pressed", String(isChosen));
  }
  markRow(record);
  showDetails(record);
  if (from === "start") return;
  byId("said").textContent = "Showing " + nameOf(record) + ", " + placeOf(record);
  history.replaceState(null, "", "#run" + record.run + "-trial" + record.number);
  const isNarrow = matchMedia("(max-width: 60rem)").matches;
  if (from !== "plot" || isNarrow) {
    byId("details").scrollIntoView({ block: "start" });
    if (from !== "plot") byId("details").focus({ preventScroll: true });
  }
}
function startAxes() {
  const there = Object.keys(data.metrics).filter((m) => data.records.some((r) => r.figures[m]));
  if (there.length < 2) { byId("charts").append(html("p", { class: "note" }, "No candidate has figures yet.")); return; }
  const [up, across] = data.runs[0].objectives.filter((m) => there.includes(m)).concat(there);
  shown.y = up;
  shown.x = across === up ? there.find((m) => m !== up) : across;
  for (const axis of ["x", "y"]) {
    const menu = byId("axis-" + axis);
    menu.append(...there.map((m) => html("option", { value: m, selected: m === shown[axis] }, data.metrics[m].title)));
    menu.addEventListener("change", () => { shown[axis] = menu.value; drawFront(); });
  }
  byId("near").addEventListener("change", () => { shown.near = byId("near").checked; drawFront(); });
  byId("axes").addEventListener("submit", (event) => event.preventDefault());
  byId("axes").hidden = false;
}
function firstChoice() {
  const named = /^#run(\d+)-trial(\d+)$/.exec(location.hash);
  const asked = named && data.records.find((r) => r.run === Number(named[1]) && r.number === Number(named[2]));
  const wanted = data.runs[0].first;
  return asked || data.records.find((r) => r.run === 0 && r.number === wanted) || data.records.find((r) => r.front) || data.records[0];
}

startAxes();
startTable();
startChoice();
if (data.records.length) choose(firstChoice(), "start");
else byId("details").textContent = "No candidate was measured yet.";
if (shown.x) {
  drawFront();
  let width = byId("charts").clientWidth;
  // In the next frame: to draw while being measured is an error in the browser's eyes.
  new ResizeObserver(() => requestAnimationFrame(() => {
    if (byId("charts").clientWidth !== width) { width = byId("charts").clientWidth; drawFront(); }
  })).observe(byId("charts"));
}
