// "Which one should I take?": the best candidate under a limit.
function asked() {
  return { run: Number(byId("limit-run").value), metric: byId("limit-metric").value, limit: parseFloat(byId("limit-value").value) };
}
function goalOf(run, metric) { return data.runs[run].objectives.find((name) => name !== metric); }

function bestUnder(run, metric, limit) {
  const goal = goalOf(run, metric);
  const sign = isMaximized(goal) ? -1 : 1;
  const usable = data.records.filter((r) => r.run === run && r.outcome === "finished" && r.figures[metric] && r.figures[goal]);
  const order = (a, b) => sign * (figure(a, goal) - figure(b, goal)) || figure(a, metric) - figure(b, metric);
  const fits = usable.filter((r) => !(figure(r, metric) * scaleOf(metric) > limit)).sort(order);
  const least = [...usable].sort((a, b) => figure(a, metric) - figure(b, metric))[0];
  // The next step up: the least that must be added to the limit for something better.
  const better = fits.length ? usable.filter((r) => sign * (figure(r, goal) - figure(fits[0], goal)) < 0).sort((a, b) => figure(a, metric) - figure(b, metric))[0] : null;
  return { goal, best: fits[0], least, better };
}
function limitText(metric, limit) {
  if (Number.isNaN(limit)) return "Without a limit take ";
  return "With at most " + (limit + " " + unitOf(metric)).trim() + " of " + data.metrics[metric].title + " take ";
}
function showButton(record) {
  const button = html("button", { type: "button" }, "Show it");
  button.addEventListener("click", () => choose(record, "answer"));
  return button;
}
function answer() {
  const { run, metric, limit } = asked();
  const { goal, best, least, better } = bestUnder(run, metric, limit);
  const both = (r) => data.metrics[goal].title + " " + figureText(r, goal) + ", " + data.metrics[metric].title + " " + figureText(r, metric);
  const place = byId("answer");
  if (!least) place.replaceChildren("No candidate has this figure.");
  else if (!best) place.replaceChildren("None fits: the least is ", html("b", {}, least.name), " with " + figureText(least, metric) + ".", showButton(least));
  else {
    const more = better ? " The next better one, " + better.name + " (" + figureText(better, goal) + "), needs " + figureText(better, metric) + "." : " No candidate is better, at any cost.";
    place.replaceChildren(limitText(metric, limit), html("b", {}, best.name), ": " + both(best) + "." + more, showButton(best));
  }
}
function fillLimit() {
  const { run, metric } = asked();
  const paper = data.records.find((r) => r.run === run && r.paper && r.figures[metric]);
  byId("limit-value").value = paper ? Math.ceil(figure(paper, metric) * scaleOf(metric) * 10) / 10 : "";
}
function startChoice() {
  const costs = Object.keys(data.metrics).filter((m) => !isMaximized(m) && data.records.some((r) => r.figures[m]));
  if (!costs.length) { byId("answer").textContent = "No figure was measured that a limit could be set on."; return; }
  const first = data.runs[0].objectives.find((m) => costs.includes(m)) || costs[0];
  byId("limit-metric").append(...costs.map((m) => html("option", { value: m, selected: m === first }, (unitOf(m) ? unitOf(m) + " of " : "") + data.metrics[m].title)));
  byId("limit-run").append(...data.runs.map((run, i) => html("option", { value: i }, run.label)));
  byId("limit-run-label").hidden = data.runs.length === 1;
  byId("limits").hidden = false;
  byId("limits").addEventListener("submit", (event) => event.preventDefault());
  byId("limit-value").addEventListener("input", answer);
  for (const id of ["limit-metric", "limit-run"]) byId(id).addEventListener("change", () => { fillLimit(); answer(); });
  fillLimit();
  answer();
}
