// The page itself: which part is shown, the theme, and what the controls do.

const PARTS = ["overview", "matrix", "states", "requirements", "facts"];
const THEMES = ["auto", "light", "dark"];

function address() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return location.hash.slice(1);
  }
}

// Show the part that the address names; addresses below a part set its filter.
function route(event) {
  const [kind, ...rest] = address().split("/");
  const name = rest.join("/");
  if (kind === "case") {
    showCase(name);
    turnTo("case", "matrix", event);
    return;
  }
  if (kind === "edge" || kind === "requirement" || kind === "matrix") {
    if (kind !== "matrix") clearControls();
    chosen.edge = kind === "edge" ? edgeOf(rest) : null;
    chosen.requirement = kind === "requirement" ? name : null;
    turnTo("matrix", "matrix", event);
    if (kind !== "matrix" || filtered) applyFilter();
    filtered = isActive();
    explainFilter();
    return;
  }
  const part = PARTS.includes(kind) ? kind : "overview";
  turnTo(part, part, event);
}

let filtered = false;

function edgeOf([column, name]) {
  const edge = data().edges.findIndex(([known]) => known === name);
  return edge < 0 ? null : { edge, column: column === "any" ? null : Number(column) };
}

// Forget what was asked before: a link to the cases of an edge means all of them.
function clearControls() {
  Object.assign(chosen, { words: "", unexpected: false, differences: false, field: null });
  const grouping = $("grouping").value;
  $("filter").reset();
  $("grouping").value = grouping;
}

function turnTo(part, tab, event) {
  for (const element of document.querySelectorAll(".part")) element.classList.toggle("shown", element.id === part);
  $("case").hidden = part !== "case";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${tab}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!event) return;
  window.scrollTo(0, 0);
  if (part === "case") $("case").querySelector("h1").focus();
}

function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  $("theme").textContent = `theme: ${theme}`;
  try {
    localStorage.setItem("tcpspec-theme", theme);
  } catch {
    // A page without storage forgets the theme.
  }
}

function storedTheme() {
  try {
    const theme = localStorage.getItem("tcpspec-theme");
    return THEMES.includes(theme) ? theme : "auto";
  } catch {
    return "auto";
  }
}

function listen() {
  $("theme").addEventListener("click", () => {
    const now = document.documentElement.dataset.theme ?? "auto";
    setTheme(THEMES[(THEMES.indexOf(now) + 1) % THEMES.length]);
  });
  $("words").addEventListener("input", (event) => {
    chosen.words = event.target.value;
    applyFilter();
  });
  for (const name of ["unexpected", "differences"]) {
    $(name)?.addEventListener("change", (event) => {
      chosen[name] = event.target.checked;
      applyFilter();
    });
  }
  $("grouping").addEventListener("change", (event) => regroup(event.target.value));
  $("filter").addEventListener("submit", (event) => event.preventDefault());
  $("grid")?.addEventListener("click", (event) => {
    const field = event.target.closest("button")?.dataset.f;
    if (!field) return;
    chosen.field = chosen.field === field ? null : field;
    event.target.closest(".scroll").after($("cells"));
    applyFilter();
  });
  $("diagram").addEventListener("change", (event) => showDiagram(event.target.value));
  document.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", route);
}

function showDiagram(number) {
  for (const figure of document.querySelectorAll(".diagram")) figure.classList.toggle("shown", figure.dataset.diagram === number);
}

function onKey(event) {
  if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && $("matrix").classList.contains("shown")) {
    event.preventDefault();
    $("words").focus();
  } else if (event.key === "Escape" && $("case").classList.contains("shown")) {
    location.hash = "#matrix";
  }
}

// Each field of a heat map can be pressed, and has the names of its state and its segment.
function nameFields(map) {
  const segments = [...map.querySelectorAll("thead th")].map((head) => head.dataset.f);
  for (const row of map.tBodies[0].rows) {
    const place = row.cells[0].textContent;
    [...row.cells].slice(1).forEach((cell, at) => {
      const button = cell.querySelector("button");
      if (!button) return;
      button.type = "button";
      button.disabled = false;
      button.dataset.f = `${place}/${segments[at]}`;
      button.title = `${place} × ${segments[at]}: ${button.title}`;
    });
  }
}

function start() {
  document.documentElement.classList.add("js");
  for (const id of ["theme", "filter", "choose-diagram"]) $(id).hidden = false;
  document.querySelectorAll(".heat").forEach(nameFields);
  setTheme(storedTheme());
  showDiagram("0");
  listen();
  route();
  // Read the data while nothing else is to be done, so that the first filter need not.
  setTimeout(indexed, 200);
}

start();
