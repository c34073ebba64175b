"use strict";

// The data of the report, read when something needs them first, and small helpers that make elements.

const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const ABSENT = ".";
const VERSIONS = ["4", "6"];
const UNEXPECTED = new Set("vgihs");

let parsed = null;

function data() {
  if (!parsed) {
    parsed = JSON.parse($("data").textContent);
    let before = "";
    parsed.ids = parsed.ids.map(([shared, rest]) => (before = before.slice(0, shared) + rest));
    parsed.nodes = [];
    parsed.ends = parsed.shapes.map(([parent, ...rungs]) => {
      for (const rung of rungs) parent = parsed.nodes.push([parent, rung]) - 1;
      return parent;
    });
  }
  return parsed;
}

// The number of a case's ladder on one column and IP version, -1 if it never began.
const shapeOf = (column, version, number) => column[version].s[number] ?? -1;

// The rungs of a ladder, found from its end.
function rungsOf(shape) {
  const found = [];
  for (let node = data().ends[shape]; node >= 0; node = data().nodes[node][0]) found.push(data().nodes[node][1]);
  return found.reverse();
}

// Return an element; texts among the children become text nodes and are never read as markup.
function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

const text = (number) => data().texts[number];

// The fields of a case that are the same on all targets.
function about(number) {
  const [title, at, level, cites, source, figure, section] = data().cases[number];
  return {
    id: data().ids[number],
    title: text(title),
    at: text(at),
    level: text(level),
    cites: cites.map(text),
    source: text(source),
    figure,
    section,
  };
}

function isExpected(column, letter) {
  return !UNEXPECTED.has(letter) && !(letter === "d" && column.should);
}

// All outcomes of a case: one per column and IP version that has it.
function outcomes(number) {
  const found = [];
  data().columns.forEach((column, at) => {
    for (const version of VERSIONS) {
      const letter = column[version].v[number];
      if (letter !== ABSENT) found.push({ at, column, version, letter, detail: column[version].d[number] ?? {} });
    }
  });
  return found;
}

function markElement(letter, expected, words = true) {
  const [sign, word] = data().signs[letter];
  const mark = make("span", { class: `mark ${letter}${expected ? "" : " x"}` }, make("b", { "aria-hidden": "true" }, sign));
  mark.append(words ? ` ${word}` : make("i", {}, word));
  return mark;
}

const caseLink = (id) => make("a", { href: `#case/${encodeURI(id)}` }, id);
