// The table of candidates: its rows are there without a script; here they sort, filter and choose.
const table = byId("table");
const rows = [...table.tBodies[0].rows];

function sortBy(column, head) {
  const isAscending = head.getAttribute("aria-sort") !== "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", isAscending ? "ascending" : "descending");
  const value = (row) => {
    const cell = row.cells[column];
    if (cell.dataset.value === undefined) return cell.textContent;
    return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  };
  const sorted = rows.map((row) => [value(row), row]).sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);  // what has no figure is last
    const order = typeof a === "number" ? a - b : a.localeCompare(b);
    return isAscending ? order : -order;
  });
  table.tBodies[0].append(...sorted.map(([, row]) => row));
}
function filterRows() {
  const words = byId("filter-text").value.toLowerCase().split(/\s+/).filter(Boolean);
  const kind = byId("filter-kind").value;
  let count = 0;
  for (const row of rows) {
    const isKind = !kind || row.dataset.kind === kind || (kind === "reference" && "reference" in row.dataset);
    const text = row.textContent.toLowerCase();
    row.hidden = !(isKind && words.every((word) => text.includes(word)));
    count += !row.hidden;
  }
  byId("filter-count").textContent = count + " of " + rows.length;
}
function startTable() {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = html("button", { type: "button", class: "sort" }, head.textContent);
    button.addEventListener("click", () => sortBy(column, head));
    head.replaceChildren(button);
  });
  rows.forEach((row, i) => {
    const head = row.cells[0];
    const button = html("button", { type: "button", class: "choose", title: "show it beside the plot" }, head.lastChild.textContent);
    button.addEventListener("click", () => choose(data.records[i], "table"));
    head.lastChild.replaceWith(button);
  });
  byId("filter-text").addEventListener("input", filterRows);
  byId("filter-kind").addEventListener("change", filterRows);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").hidden = false;
  filterRows();
}
function markRow(record) {
  rows.forEach((row, i) => row.classList.toggle("chosen", data.records[i] === record));
}
