import assert from "node:assert/strict";
import { test } from "node:test";

import { count, duration, exact, metric, number, parameter, relative, share, signed } from "../../static/js/format.js";

test("numbers keep four significant digits and their trailing zeros", () => {
  assert.equal(number(0.97334), "0.9733");
  assert.equal(number(0.94), "0.9400");
  assert.equal(number(0.00058974), "0.0005897");
  assert.equal(number(12.3456), "12.35");
  assert.equal(number(0.99996), "1.000");
});

test("digits before the decimal point are never dropped", () => {
  assert.equal(number(12345.6), "12346");
});

test("whole numbers stay whole and have no separators", () => {
  assert.equal(number(16384), "16384");
  assert.equal(number(-3), "−3");
  assert.equal(number(0), "0");
});

test("very small and very large numbers are written with an exponent", () => {
  assert.equal(number(0.0000123456), "1.235e-5");
  assert.equal(number(1234567.8), "1.235e6");
});

test("what is no number says so", () => {
  assert.equal(number(null), "–");
  assert.equal(number(Number.NaN), "NaN");
  assert.equal(number(Number.NEGATIVE_INFINITY), "−infinity");
  assert.equal(number("sgd"), "sgd");
  assert.equal(number(true), "true");
});

test("a metric keeps its digits even when it is whole", () => {
  assert.equal(metric(1), "1.000");
  assert.equal(metric(0), "0");
  assert.equal(metric(null), "–");
});

test("a difference carries its sign", () => {
  assert.equal(signed(0.0067, 2), "+0.0067");
  assert.equal(signed(-0.1622), "−0.1622");
});

test("the exact value reads back as the same number", () => {
  assert.equal(Number(exact(0.1 + 0.2)), 0.1 + 0.2);
});

test("counts have separators, shares a space before the sign", () => {
  assert.equal(count(1102), "1,102");
  assert.equal(count(999), "999");
  assert.equal(count(1234567), "1,234,567");
  assert.equal(share(0.172), "17 %");
});

test("durations name two units at most", () => {
  assert.equal(duration(0.93), "0.9 s");
  assert.equal(duration(8), "8 s");
  assert.equal(duration(15.9), "15 s");
  assert.equal(duration(182), "3 m 02 s");
  assert.equal(duration(3599.9), "59 m 59 s");
  assert.equal(duration(7500), "2 h 05 m");
  assert.equal(duration(219600), "2 d 13 h");
  assert.equal(duration(null), "–");
});

test("times are relative until they are a month away", () => {
  const now = new Date(2026, 10, 24, 12, 0, 0);
  const before = (seconds) => relative(Number(now) - seconds * 1000, now);
  assert.equal(before(0.2), "now");
  assert.equal(before(2), "2 s ago");
  assert.equal(before(480), "8 m ago");
  assert.equal(before(5 * 3600), "5 h ago");
  assert.equal(before(30 * 3600), "yesterday");
  assert.equal(before(12 * 86400), "12 days ago");
  assert.equal(before(40 * 86400), "15 Oct 2026");
  assert.equal(before(-21 * 86400), "in 21 days");
  assert.equal(before(-7 * 86400 + 5), "in 7 days");
  assert.equal(before(-86400 + 5), "in 1 day");
});

test("parameters are text, numbers, or whatever JSON holds", () => {
  assert.equal(parameter("sgd"), "sgd");
  assert.equal(parameter(0.0147357, 3), "0.0147");
  assert.equal(parameter([64, 32]), "[64,32]");
  assert.equal(parameter(false), "false");
  assert.equal(parameter(null), "null");
  assert.equal(parameter(undefined), "not set");
});
