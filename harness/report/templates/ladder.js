// Ladders as SVG: the same drawing as harness/report/ladder_svg.py makes, from the same numbers.

const KINDS = ["sent", "received", "missing", "call", "pause", "states"];

// Return {rungs, times} of a case on one column and IP version, null if it never began.
function ladderOf(column, version, number) {
  const shape = shapeOf(column, version, number);
  if (shape < 0) return null;
  const rungs = rungsOf(shape).map((at) => {
    const [kind, words, peer, mark] = data().rungs[at];
    return { kind: KINDS[kind], text: text(words), peer: text(peer), mark };
  });
  const distances = column[version].d[number]?.times;
  let now = 0;
  const times = rungs.map((_rung, at) => {
    const distance = distances ? distances[at] ?? (at < distances.length ? null : 0) : null;
    if (distance === null) return null;
    now += distance;
    return now / 1000;
  });
  return { rungs, times };
}

function ladderElement(ladder, title) {
  const g = data().geometry;
  const height = g.top + ladder.rungs.reduce((sum, rung) => sum + g.height[rung.kind], 0) + g.bottom;
  const svg = draw("svg", { class: "ladder", viewBox: `0 0 ${g.width} ${height}`, width: g.width, height, role: "img" });
  svg.append(draw("title", {}, title), draw("desc", {}, inWords(ladder)));
  const vertical = (style, x) => line(style, x, g.top - 6, x, height - g.bottom + 4);
  if (ladder.times.some((ms) => ms !== null)) svg.append(words(g.time, 18, "h t", "ms"), vertical("axis", g.axis));
  svg.append(words(g.target, 18, "h m", "target"), words(g.peer, 18, "h m", "peer"));
  svg.append(vertical("life", g.target), vertical("life", g.peer));
  let bottom = g.top;
  ladder.rungs.forEach((rung, at) => {
    bottom += g.height[rung.kind];
    const ms = ladder.times[at];
    if (ms !== null) {
      svg.append(line("tick", g.axis - 3, bottom - 9, g.axis + 3, bottom - 9));
      svg.append(words(g.time, bottom - 5, "t", ms.toFixed(3)));
    }
    svg.append(...rungElements(rung, bottom, g));
  });
  return svg;
}

function rungElements(rung, bottom, g) {
  const bad = rung.mark ? " bad" : "";
  if (rung.kind === "call") return [words(g.call, bottom - 5, `c${bad}`, short(rung.text, g))];
  if (rung.kind === "pause") {
    return [
      line("gap", g.target, bottom - 24, g.target, bottom - 2),
      line("gap", g.peer, bottom - 24, g.peer, bottom - 2),
      words(Math.floor((g.target + g.peer) / 2), bottom - 8, `m q${bad}`, short(rung.text, g)),
    ];
  }
  if (rung.kind === "states") {
    return [...pill(g.target, bottom - 9, "own", rung.text, g), ...pill(g.peer, bottom - 9, "other", rung.peer, g)];
  }
  return segment(rung, bottom - 9, g);
}

function segment(rung, y, g) {
  const [left, right] = [g.target + 2, g.peer - 2];
  const style = rung.kind === "missing" ? "a missing bad" : rung.mark ? "a bad" : "a";
  const [tip, back] = rung.kind === "sent" ? [left, left + g.head] : [right, right - g.head];
  const parts = [
    words(Math.floor((left + right) / 2), y - 6, style === "a" ? "m s" : "m s bad", short(rung.text, g)),
    line(style, left, y, right, y),
    draw("path", { class: `${style} tip`, d: `M${back} ${y - 4}L${tip} ${y}L${back} ${y + 4}` }),
  ];
  const word = rung.kind === "missing" ? g.missing : g.words[rung.mark];
  if (word) parts.push(words(g.mark, y + 4, "w bad", word));
  return parts;
}

function pill(middle, y, style, state, g) {
  if (!state) return [];
  const [width, height] = [state.length * g.character + 14, g.pill];
  const [left, top] = [middle - Math.floor(width / 2), y - Math.floor(height / 2)];
  return [
    draw("rect", { class: `pill ${style}`, x: left, y: top, width, height, rx: 3 }),
    words(middle, y + 4, `m ${style}`, state),
  ];
}

const short = (words, g) => (words.length <= g.longest ? words : `${words.slice(0, g.longest - 1)}…`);
const line = (style, x1, y1, x2, y2) => draw("path", { class: style, d: `M${x1} ${y1}L${x2} ${y2}` });
const words = (x, y, style, content) => draw("text", { class: style, x, y }, content);

const SPOKEN = {
  sent: "peer sends",
  received: "target sends",
  missing: "expected, but missing:",
  call: "target:",
  pause: "meanwhile:",
  states: "states:",
};

function inWords(ladder) {
  return ladder.rungs.map((rung) => {
    const told = rung.kind !== "states" ? rung.text + (rung.mark ? ` (${rung.mark})` : "")
      : [["target", rung.text], ["peer", rung.peer]].filter(([, state]) => state).map((pair) => pair.join(" ")).join(", ");
    return `${SPOKEN[rung.kind]} ${told}`;
  }).join("\n");
}
