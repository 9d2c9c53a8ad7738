// Conditions of a selection, as a brush writes them in the filter language and reads them
// back. What is written otherwise stays as it is, and the server answers it.
//
// A condition: {field, low?, high?} | {field, values: [text or number, …]} |
// {field, unset: true} | {text}. Field: a parameter's name, or a column of the trials.

import { ORDER } from "../../states.js";
import { numbersIn } from "../../table/ticks.js";

const PLAIN = /^[A-Za-z_]\w*$/;
const WORD = /^[A-Za-z_][\w-]*$/;
const RESERVED = new Set(["and", "or", "not", "in", "contains", "true", "false", "null"]);
const NAME = "(`[^`]*`|[A-Za-z_]\\w*)";
const NUMBER = "(-?(?:\\d+\\.?\\d*|\\.\\d+)(?:e[+-]?\\d+)?)";
const BOUND = new RegExp(`^${NAME}\\s*(>=|<=)\\s*${NUMBER}$`, "i");
const LISTED = new RegExp(`^${NAME}\\s+in\\s*\\((.*)\\)$`, "is");
const EQUAL = new RegExp(`^${NAME}\\s*==?\\s*(.+)$`, "is");
const UNSET = new RegExp(`^not_set\\(\\s*${NAME}\\s*\\)$`, "i");

// ---- reading ------------------------------------------------------------------------

// The text cut at a word or comma that is outside quotes and parentheses.
function cut(text, separator) {
  const parts = [];
  let depth = 0;
  let quote = "";
  let start = 0;
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at];
    if (quote) {
      if (sign === "\\" && quote !== "`") at += 1;
      else if (sign === quote) quote = "";
    } else if ("\"'`".includes(sign)) quote = sign;
    else if ("([".includes(sign)) depth += 1;
    else if (")]".includes(sign)) depth -= 1;
    else if (depth === 0) {
      const found = separator(text, at);
      if (found) {
        parts.push(text.slice(start, at));
        start = at + found;
        at = start - 1;
      }
    }
  }
  return [...parts, text.slice(start)].map((part) => part.trim());
}

const wordAt = (word) => (text, at) => {
  const before = at === 0 ? " " : text[at - 1];
  const after = text[at + word.length] ?? " ";
  const is = text.slice(at, at + word.length).toLowerCase() === word;
  return is && !/\w/.test(before) && !/\w/.test(after) ? word.length : 0;
};
const comma = (text, at) => (text[at] === "," ? 1 : 0);

const nameOf = (written) => (written.startsWith("`") ? written.slice(1, -1) : written);

// A literal: a number, a word or a text in quotes; undefined for anything else.
function literal(text) {
  if (/^".*"$/s.test(text)) {
    const inner = text.slice(1, -1);
    return /(^|[^\\])"/.test(inner) ? undefined : inner.replace(/\\(["\\])/g, "$1");
  }
  if (new RegExp(`^${NUMBER}$`, "i").test(text)) return Number(text);
  if (/^(true|false)$/i.test(text)) return text.toLowerCase() === "true";
  return WORD.test(text) ? text : undefined;
}

function listOf(field, texts, text) {
  const values = texts.map(literal);
  return values.includes(undefined) || values.length === 0 ? { text } : { field, values };
}

function conditionOf(text) {
  const unset = UNSET.exec(text);
  if (unset) return { field: nameOf(unset[1]), unset: true };
  const bound = BOUND.exec(text);
  if (bound) return { field: nameOf(bound[1]), [bound[2] === ">=" ? "low" : "high"]: Number(bound[3]) };
  const listed = LISTED.exec(text);
  if (listed) return listOf(nameOf(listed[1]), cut(listed[2], comma), text);
  const equal = EQUAL.exec(text);
  if (equal) return listOf(nameOf(equal[1]), [equal[2].trim()], text);
  return { text };
}

// The conditions of an expression. Two bounds of one field are one condition.
export function readConditions(expression) {
  const text = expression.trim();
  if (text === "") return [];
  if (cut(text, wordAt("or")).length > 1) return [{ text }];
  const found = [];
  for (const part of cut(text, wordAt("and"))) {
    const next = conditionOf(part);
    const other = found.find(
      (each) => each.field !== undefined && each.field === next.field && canJoin(each, next),
    );
    if (other) Object.assign(other, next);
    else found.push(next);
  }
  return found;
}

function canJoin(a, b) {
  if (a.values || b.values || a.unset || b.unset) return false;
  return (a.low === undefined) !== (b.low === undefined) && (a.high === undefined) !== (b.high === undefined);
}

// ---- writing ------------------------------------------------------------------------

function nameText(name) {
  return PLAIN.test(name) && !RESERVED.has(name.toLowerCase()) ? name : `\`${name}\``;
}

function valueText(value) {
  if (typeof value !== "string") return String(value);
  const plain = WORD.test(value) && !RESERVED.has(value.toLowerCase());
  return plain ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;
}

export function conditionText(condition) {
  if (condition.text !== undefined) return condition.text;
  const name = nameText(condition.field);
  if (condition.unset) return `not_set(${name})`;
  if (condition.values) {
    const texts = condition.values.map(valueText);
    return texts.length === 1 ? `${name} = ${texts[0]}` : `${name} in (${texts.join(", ")})`;
  }
  const bounds = [];
  if (condition.low !== undefined) bounds.push(`${name} >= ${condition.low}`);
  if (condition.high !== undefined) bounds.push(`${name} <= ${condition.high}`);
  return bounds.join(" and ");
}

// The expression of conditions joined by `and`.
export function writeConditions(conditions) {
  return conditions.map((each) => (each.text !== undefined && conditions.length > 1
    && cut(each.text, wordAt("or")).length > 1 ? `(${each.text})` : conditionText(each))).join(" and ");
}

// With another condition on a field, or without one on it (null).
export function withCondition(conditions, field, condition) {
  const place = conditions.findIndex((each) => each.field === field);
  if (!condition) return conditions.filter((each) => each.field !== field);
  if (place < 0) return [...conditions, condition];
  return conditions.map((each, k) => (k === place ? condition : each));
}

// ---- matching rows ------------------------------------------------------------------

// A test of rows for a condition, or null where the columns cannot answer it.
function testOf(columns, condition) {
  const { field } = condition;
  if (field === "state" && condition.values) {
    const states = new Set(condition.values);
    return (row) => states.has(columns.states[row]);
  }
  if (field === undefined) return stateTest(columns, condition.text);
  const axis = columns.axes.find((each) => each.name === field);
  const cells = axis ? axis.cells : plainColumn(columns, field);
  if (!cells) return null;
  if (condition.unset) return axis ? (row) => Number.isNaN(cells[row]) : null;
  if (condition.values) return valuesTest(axis, cells, condition.values);
  if (axis?.kind === "choice") return choiceRangeTest(axis, cells, condition);
  const { low = -Infinity, high = Infinity } = condition;
  return (row) => cells[row] >= low && cells[row] <= high;
}

function plainColumn(columns, field) {
  if (field === columns.metric || (field === "value" && !columns.chosen)) return columns.value;
  return ["number", "took", "reports"].includes(field) ? columns[field] : null;
}

function stateTest(columns, text) {
  return ORDER.includes(text) ? (row) => columns.states[row] === text : null;
}

function valuesTest(axis, cells, values) {
  if (axis?.kind !== "choice") {
    return values.every(Number.isFinite) ? (row) => values.includes(cells[row]) : null;
  }
  const texts = new Set(values.map((value) => textOf(value)));
  const wanted = axis.values.map((value) => texts.has(textOf(value)));
  return (row) => wanted[cells[row]] === true;
}

// A choice is written as one word, whatever JSON type its value has.
export function textOf(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function choiceRangeTest(axis, cells, { low = -Infinity, high = Infinity }) {
  const wanted = axis.values.map((value) => typeof value === "number" && value >= low && value <= high);
  return (row) => wanted[cells[row]] === true;
}

// Which rows match, as Uint8Array; null if a condition needs the server.
export function maskOf(columns, conditions) {
  const tests = conditions.map((condition) => testOf(columns, condition));
  if (tests.includes(null)) return null;
  const mask = new Uint8Array(columns.size);
  for (let row = 0; row < columns.size; row += 1) mask[row] = tests.every((test) => test(row)) ? 1 : 0;
  return mask;
}

// From "0-41,43": which rows' trials are in these ranges.
export function maskOfNumbers(columns, ranges) {
  const mask = new Uint8Array(columns.size);
  for (const number of numbersIn(ranges)) {
    const row = columns.rowOf.get(number);
    if (row !== undefined) mask[row] = 1;
  }
  return mask;
}
