// The matrix: filters, grouping, and the fields of the heat maps that open.

const MOST_CELLS = 100; // so many cells of the grid are listed at once
const MOST_OPEN = 300; // with at most so many matches all groups open

const BAD_LETTERS = "hvsigkdu"; // what does not simply conform, the worst first

const chosen = { words: "", unexpected: false, differences: false, edge: null, requirement: null, field: null };
let index = null;

// What the filters look at, once per case; rows and fields by the number of the case.
function indexed() {
  if (index) return index;
  const { ids, columns } = data();
  index = { cases: [], rows: new Map(), fields: new Map(), buttons: [] };
  ids.forEach((id, number) => {
    const found = outcomes(number);
    const signs = VERSIONS.map((version) => new Set(columns.map((column) => column[version].v[number])));
    signs.forEach((letters) => letters.delete(ABSENT));
    const parts = id.split("/");
    const field = parts[0] === "grid" && parts.length > 2 ? `${parts[1]}/${parts[2]}` : null;
    if (field) index.fields.set(field, [...(index.fields.get(field) ?? []), number]);
    const { title, cites, figure } = about(number);
    index.cases.push({
      words: `${id} ${title} ${cites.join(" ")}${figure ? ` figure ${figure}` : ""}`.toLowerCase(),
      cites: new Set(cites),
      unexpected: found.some(({ column, letter }) => !isExpected(column, letter)),
      differs: signs.some((letters) => letters.size > 1),
      isCell: field !== null,
    });
  });
  for (const row of document.querySelectorAll("#groups tr[data-i]")) index.rows.set(Number(row.dataset.i), row);
  index.buttons = [...document.querySelectorAll("button[data-f]")].map((button) => [button, button.dataset.f]);
  return index;
}

function isActive() {
  return Boolean(chosen.words || chosen.unexpected || chosen.differences || chosen.edge || chosen.requirement);
}

function matches(entry, number, asked) {
  if (chosen.unexpected && !entry.unexpected) return false;
  if (chosen.differences && !entry.differs) return false;
  if (chosen.requirement && !entry.cites.has(chosen.requirement)) return false;
  if (chosen.edge && !overEdge(number)) return false;
  return asked.every((word) => entry.words.includes(word));
}

function overEdge(number) {
  const { column: wanted, edge } = chosen.edge;
  return data().columns.some((column, at) => (wanted === null || wanted === at) && VERSIONS.some((version) => {
    const shape = shapeOf(column, version, number);
    return shape >= 0 && (data().uses[shape].includes(edge) || column[version].d[number]?.edge === edge);
  }));
}

// Show what the filters leave.
function applyFilter() {
  const active = isActive();
  const { cases, rows, fields } = indexed();
  const asked = chosen.words.toLowerCase().split(/\s+/).filter(Boolean);
  const found = cases.map((entry, number) => !active || matches(entry, number, asked));
  const count = found.filter(Boolean).length;
  for (const [number, row] of rows) {
    if (row.hidden === found[number]) row.hidden = !found[number];
  }
  for (const group of document.querySelectorAll("#groups .topic")) {
    const left = [...group.querySelectorAll("tr[data-i]")].filter((row) => !row.hidden);
    group.hidden = left.length === 0;
    group.querySelector("small").textContent = left.length.toLocaleString("en");
    showSums(group, left.map((row) => Number(row.dataset.i)));
    if (active) group.open = count <= MOST_OPEN;
    else if (group.dataset.byFilter) group.open = false;
    group.dataset.byFilter = active ? "1" : "";
  }
  applyToGrid(found, fields, active);
  $("found").textContent = active ? `${count.toLocaleString("en")} of ${cases.length.toLocaleString("en")} cases` : "";
}

function applyToGrid(found, fields, active) {
  const grid = $("grid");
  if (!grid) return;
  const cells = [...found.keys()].filter((number) => found[number] && index.cases[number].isCell);
  grid.hidden = cells.length === 0;
  grid.querySelector("small").textContent = cells.length.toLocaleString("en");
  showSums(grid, cells);
  const left = new Map([...fields].map(([field, numbers]) => [field, numbers.some((number) => found[number])]));
  for (const [button, field] of index.buttons) {
    button.parentElement.classList.toggle("off", !left.get(field));
    if ((field === chosen.field) !== button.hasAttribute("aria-pressed")) press(button, field === chosen.field);
  }
  if (!chosen.field && !active) {
    $("cells").replaceChildren();
    return;
  }
  const shown = chosen.field ? (fields.get(chosen.field) ?? []).filter((number) => found[number]) : cells;
  const title = chosen.field ? chosen.field.replace("/", " × ") : "cells";
  $("cells").replaceChildren(make("h3", {}, `${title}: ${shown.length.toLocaleString("en")}`), rowsOf(shown.slice(0, MOST_CELLS)));
  if (shown.length > MOST_CELLS) $("cells").append(make("p", { class: "quiet" }, `The first ${MOST_CELLS} are shown: pick a field, or search for more words.`));
}

// Return a table with a row per cell, like those of the other topics.
function rowsOf(numbers) {
  const body = make("tbody");
  for (const number of numbers) {
    const id = data().ids[number];
    const row = make("tr", {}, make("th", { scope: "row" }, make("a", { href: `#case/${encodeURI(id)}` }, id.replace(/^grid\//, ""))));
    data().columns.forEach((column) => row.append(fieldOf(column, number)));
    body.append(row);
  }
  return make("table", {}, body);
}

function fieldOf(column, number) {
  const seen = VERSIONS.map((version) => [column[version].v[number], version]).filter(([letter]) => letter !== ABSENT);
  const same = new Set(seen.map(([letter]) => letter)).size < 2;
  const parts = same ? seen.slice(0, 1).map(([letter]) => [letter, ""]) : seen;
  const worst = [..."hvsigkdu.nc"].find((letter) => parts.some(([seenLetter]) => seenLetter === letter)) ?? "z";
  const expected = parts.every(([letter]) => isExpected(column, letter));
  const sign = parts.map(([letter, version]) => data().signs[letter][0] + version).join(" ");
  const told = parts.map(([letter, version]) => data().signs[letter][1] + (version && ` on IPv${version}`)).join(", ");
  return make("td", { class: worst + (expected ? "" : " x") }, make("b", {}, sign), make("i", {}, told || "not run"));
}

// Group the rows by topic or by the section that each case cites first.
function regroup(kind) {
  const holder = $("groups");
  const rows = [...indexed().rows.entries()];
  const groups = new Map();
  const order = kind === "section" ? [...rows].sort(([one], [other]) => about(one).section - about(other).section) : rows;
  for (const [number, row] of order) {
    const [name, title] = kind === "section" ? data().sections[about(number).section] : [data().ids[number].split("/")[0], ""];
    if (!groups.has(name)) groups.set(name, { title, members: [] });
    groups.get(name).members.push([number, row]);
  }
  const made = [...groups].map(([name, { title, members }]) => {
    const body = make("tbody", {}, ...members.map(([, row]) => row));
    members.forEach(([number, row]) => nameRow(row, number, kind));
    const head = make("span", { class: "name" }, name, title ? make("span", { class: "quiet" }, ` ${title}`) : "", " ", make("small", {}, String(members.length)));
    const summary = make("summary", {}, head, ...data().columns.map(() => make("span", { class: "sum" })));
    return make("details", { class: "topic", "data-name": name }, summary, make("table", {}, body));
  });
  holder.replaceChildren(...made);
  applyFilter();
}

function nameRow(row, number, kind) {
  const id = data().ids[number];
  row.querySelector("a").textContent = kind === "section" ? id : id.slice(id.indexOf("/") + 1);
}

// Write into the head of a group what does not simply conform among these cases, per column: where nothing is of that
// kind the sign of what was run stands alone, and nothing where nothing was run.
function showSums(group, numbers) {
  group.querySelectorAll(".sum").forEach((sum, at) => {
    const column = data().columns[at];
    const counts = new Map();
    const seen = new Set();
    for (const number of numbers) {
      const letters = VERSIONS.map((version) => column[version].v[number]);
      letters.forEach((letter) => seen.add(letter));
      const worst = [...BAD_LETTERS].find((letter) => letters.includes(letter));
      if (worst) counts.set(worst, (counts.get(worst) ?? 0) + 1);
    }
    const marks = [...BAD_LETTERS].filter((letter) => counts.has(letter)).map((letter) => {
      const mark = markElement(letter, isExpected(column, letter), false);
      mark.append(` ${counts.get(letter)}`);
      return mark;
    });
    const alike = marks.length ? null : ["c", "n"].find((letter) => seen.has(letter));
    sum.replaceChildren(...(alike ? [markElement(alike, true, false)] : marks.flatMap((mark) => [mark, " "])));
  });
}

// Say what a filter by edge or requirement is about, with a way out of it.
function explainFilter() {
  const panel = $("about");
  panel.hidden = !(chosen.edge || chosen.requirement);
  if (panel.hidden) return;
  const all = make("a", { href: "#matrix" }, "show all cases");
  if (chosen.requirement) {
    panel.replaceChildren(make("p", {}, `Cases that cite ${chosen.requirement}. `, all));
    return;
  }
  const { column, edge } = chosen.edge;
  const where = column === null ? "any target" : data().columns[column].label;
  const told = deciding(column, edge);
  panel.replaceChildren(make("p", {}, `Cases that went over ${data().edges[edge][1]}, on ${where}. `, all));
  if (told.length) {
    const links = told.slice(0, 20).flatMap((id, at) => [at ? ", " : "", caseLink(id)]);
    panel.append(make("p", {}, "Verdicts about this very edge: ", ...links, told.length > 20 ? " …" : ""));
  }
}

function deciding(wanted, edge) {
  const numbers = data().columns.flatMap((column, at) => (wanted === null || wanted === at)
    ? VERSIONS.flatMap((version) => Object.entries(column[version].d).filter(([, detail]) => detail.edge === edge).map(([number]) => Number(number)))
    : []);
  return [...new Set(numbers)].map((number) => data().ids[number]);
}

function press(button, pressed) {
  if (pressed) button.setAttribute("aria-pressed", "true");
  else button.removeAttribute("aria-pressed");
}
