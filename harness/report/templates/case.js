// The page of a case: the rule, what was expected, what came, per target; the same outcome is told once.

function showCase(id) {
  const part = $("case");
  const number = data().ids.indexOf(id);
  if (number < 0) {
    part.replaceChildren(make("h1", {}, "No such case"), make("p", {}, id), make("p", {}, make("a", { href: "#matrix" }, "to the matrix")));
    return;
  }
  const { title, at, level, cites, source, figure } = about(number);
  part.replaceChildren(
    make("p", { class: "path" }, make("a", { href: "#matrix" }, "matrix"), " / ", id.split("/")[0]),
    make("h1", { class: "case-name", tabindex: "-1" }, id.slice(id.indexOf("/") + 1)),
    make("p", { class: "title" }, title),
    rulesOf(cites, level, figure),
    summaryOf(number),
    ...alike(number).map((group) => outcomeElement(number, group)),
    sourceElement(at, source),
  );
}

function rulesOf(cites, level, figure) {
  const list = make("ul", { class: "rules" });
  for (const cite of cites) {
    const row = document.getElementById(`requirement/${cite}`);
    const says = row?.querySelector(".says")?.textContent ?? "";
    list.append(make("li", {}, row ? make("a", { href: `#requirement/${encodeURI(cite)}` }, cite) : cite, says ? `: ${says}` : ""));
  }
  if (figure) list.append(make("li", {}, `figure ${figure}`));
  if (level) list.append(make("li", { class: "quiet" }, `level ${level}`));
  return list;
}

// A line with a mark per column, so that the whole row of the matrix is seen here too.
function summaryOf(number) {
  const versions = VERSIONS.filter((version) => data().columns.some((column) => column[version].s.length));
  const table = make("table", { class: "totals" });
  const head = make("tr", {}, make("td"));
  versions.forEach((version) => head.append(make("th", { scope: "col" }, `IPv${version}`)));
  table.append(make("thead", {}, head));
  const body = make("tbody");
  data().columns.forEach((column) => {
    const row = make("tr", {}, make("th", { scope: "row" }, column.label));
    versions.forEach((version) => {
      const letter = column[version].v[number];
      row.append(make("td", {}, letter === ABSENT ? make("span", { class: "quiet" }, "not run") : markElement(letter, isExpected(column, letter))));
    });
    body.append(row);
  });
  table.append(body);
  return make("div", { class: "scroll" }, table);
}

// Return the outcomes in groups that have the same verdict, findings, reason and shape; the worst first.
function alike(number) {
  const groups = new Map();
  for (const outcome of outcomes(number)) {
    const { times, pcap, ss, queues, again, ...rest } = outcome.detail;
    const key = JSON.stringify([outcome.letter, shapeOf(outcome.column, outcome.version, number), rest]);
    groups.set(key, [...(groups.get(key) ?? []), outcome]);
  }
  return [...groups.values()].sort(([one], [other]) => "vshigdkunc".indexOf(one.letter) - "vhigdkunc".indexOf(other.letter));
}

function outcomeElement(number, group) {
  const [{ column, version, letter, detail }] = group;
  const where = placesOf(group);
  const element = make("article", { class: "outcome" }, make("h2", {}, markElement(letter, isExpected(column, letter)), ` ${where}`));
  const facts = make("dl", { class: "facts" });
  const fact = (name, ...values) => facts.append(make("dt", {}, name), make("dd", {}, ...values));
  for (const [code, level, expected, observed, state, step, cites] of detail.findings ?? []) {
    fact("expected", make("code", {}, text(expected)), make("span", { class: "quiet" }, ` ${text(level)} · ${cites.map(text).join(", ")}`));
    fact("came", make("code", {}, text(observed) || "nothing"), make("span", { class: "quiet" }, ` ${text(code)}${text(state) ? ` in ${text(state)}` : ""}${text(step) ? ` · ${text(step)}` : ""}`));
  }
  if (detail.reason !== undefined) fact(detail.declared !== undefined ? "known because" : "reason", text(detail.reason));
  if (detail.source !== undefined) fact("source", text(detail.source));
  if (detail.declared !== undefined) fact("declared", make("code", {}, text(detail.declared)));
  if (detail.queues !== undefined) fact("last snapshot", detail.queues);
  for (const outcome of group) {
    if (outcome.detail.pcap) fact("capture", captureLink(outcome));
  }
  fact("again", make("code", {}, commandOf(column, version, number)));
  element.append(facts);
  const ladder = ladderOf(column, version, number);
  if (ladder) {
    const name = `${data().ids[number]} on ${column.label}, IPv${version}`;
    element.append(make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Ladder of ${name}` }, ladderElement(ladder, name)));
    if (ladder.times.every((time) => time === null)) element.append(make("p", { class: "quiet" }, "Times are kept only for cases that do not simply conform."));
  }
  for (const outcome of group) {
    for (const evidence of outcome.detail.ss ?? []) {
      element.append(make("pre", { class: "evidence", "aria-label": "ss" }, `$ ss -tanoie    # ${outcome.column.label}, IPv${outcome.version}\n${text(evidence).trimEnd()}`));
    }
  }
  return element;
}

// Say where a group is from: "linux, reference", with the IP version where not both are in it.
function placesOf(group) {
  const places = new Map();
  for (const { column, version } of group) places.set(column.label, [...(places.get(column.label) ?? []), version]);
  return [...places].map(([label, versions]) => (versions.length > 1 ? label : `${label} IPv${versions[0]}`)).join(", ");
}

function captureLink({ at, detail }) {
  const path = detail.pcap.split("/").map(encodeURIComponent).join("/");
  return make("a", { href: data().captures[at] + path, download: "" }, detail.pcap);
}

function commandOf(column, version, number) {
  const id = data().ids[number];
  const start = text(column[version].d[number]?.again ?? column[version].again);
  if (!start.endsWith(" ")) return start;
  return start + (/^[\w@%+=:,./-]+$/.test(id) ? id : `'${id.replaceAll("'", `'"'"'`)}'`);
}

function sourceElement(at, source) {
  if (!source) return make("p", { class: "path" }, "source: ", make("code", {}, at));
  return make("details", { class: "outcome", open: "" }, make("summary", {}, "source ", make("code", {}, at)), make("pre", {}, source));
}
