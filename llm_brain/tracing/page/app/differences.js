// What changed between two texts: lines first, then words inside the lines that changed (Myers 1986).

const MOST_CHANGES = 1500;

/** List the steps from one list to another: `{ kind: "same" | "out" | "in", item }`. */
function stepsBetween(before, after) {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < before.length - head && tail < after.length - head && before.at(-1 - tail) === after.at(-1 - tail))
    tail++;
  const same = (items) => items.map((item) => ({ kind: "same", item }));
  const middle = shortest(before.slice(head, before.length - tail), after.slice(head, after.length - tail));
  return [...same(before.slice(0, head)), ...middle, ...same(before.slice(before.length - tail))];
}

function shortest(before, after) {
  const replaced = () => [
    ...before.map((item) => ({ kind: "out", item })),
    ...after.map((item) => ({ kind: "in", item })),
  ];
  if (!before.length || !after.length) return replaced();
  const most = Math.min(before.length + after.length, MOST_CHANGES);
  const farthest = new Int32Array(2 * most + 3);
  const history = [];
  for (let changes = 0; changes <= most; changes++) {
    history.push(farthest.slice(most - changes, most + changes + 3));
    for (let line = -changes; line <= changes; line += 2) {
      const down = line === -changes || (line !== changes && farthest[most + line] < farthest[most + line + 2]);
      let x = down ? farthest[most + line + 2] : farthest[most + line] + 1;
      while (x < before.length && x - line < after.length && before[x] === after[x - line]) x++;
      farthest[most + line + 1] = x;
      if (x >= before.length && x - line >= after.length) return walkBack(before, after, history, changes);
    }
  }
  return replaced();
}

function walkBack(before, after, history, changes) {
  const steps = [];
  let x = before.length;
  let y = after.length;
  for (let left = changes; left >= 0; left--) {
    const farthest = history[left];
    const at = (line) => farthest[line + left + 1];
    const line = x - y;
    const down = line === -left || (line !== left && at(line - 1) < at(line + 1));
    const fromLine = down ? line + 1 : line - 1;
    const fromX = left === 0 ? 0 : at(fromLine);
    const fromY = left === 0 ? 0 : fromX - fromLine;
    while (x > fromX && y > fromY) {
      steps.push({ kind: "same", item: before[--x] });
      y--;
    }
    if (left > 0) steps.push(down ? { kind: "in", item: after[--y] } : { kind: "out", item: before[--x] });
  }
  return steps.reverse();
}

/** Show what changed, with three lines of what did not around it. */
function differenceOf(before, after) {
  const lines = (text) => (text ? text.split("\n") : []);
  const steps = stepsBetween(lines(before), lines(after));
  const changed = steps.filter((step) => step.kind !== "same").length;
  if (!changed) return el("p.note", {}, before ? "No difference." : "Both are empty.");
  const parts = [];
  for (let at = 0; at < steps.length;) {
    let end = at;
    while (end < steps.length && (steps[end].kind === "same") === (steps[at].kind === "same")) end++;
    const part = steps.slice(at, end);
    parts.push(...(steps[at].kind === "same" ? unchanged(part, at === 0, end === steps.length) : changedLines(part)));
    at = end;
  }
  return el("div.difference", { role: "group", "aria-label": plural(changed, "changed line") }, parts);
}

function unchanged(part, isFirst, isLast) {
  const line = (step) => el("div.same", {}, el("span.sign", { "aria-hidden": "true" }, " "), el("span", {}, step.item));
  const head = isFirst ? 0 : 3;
  const tail = isLast ? 0 : 3;
  if (part.length <= head + tail + 1) return part.map(line);
  const hidden = part.slice(head, part.length - tail);
  const more = button(`${plural(hidden.length, "equal line")}`, () => more.replaceWith(...hidden.map(line)), {
    class: "fold",
  });
  return [...part.slice(0, head).map(line), more, ...part.slice(part.length - tail).map(line)];
}

function changedLines(part) {
  const out = part.filter((step) => step.kind === "out").map((step) => step.item);
  const into = part.filter((step) => step.kind === "in").map((step) => step.item);
  const pairs = out.map((item, at) => (at < into.length ? wordsBetween(item, into[at]) : null));
  const line = (kind, sign, label) => (item, at) =>
    el(
      `div.${kind}`,
      {},
      el("span.sign", { "aria-label": label }, sign),
      el("span", {}, pairs[at] ? pairs[at][kind] : item),
    );
  return [...out.map(line("out", "−", "removed")), ...into.map(line("in", "+", "added"))];
}

function wordsBetween(before, after) {
  const words = (text) => text.match(/[\p{L}\p{N}_]+|\s+|[^\p{L}\p{N}_\s]/gu) ?? [];
  const steps = stepsBetween(words(before), words(after));
  const kept = steps.filter((step) => step.kind === "same" && step.item.trim()).length;
  if (kept * 4 < steps.length) return null; // little in common: marking words would be noise
  const side = (kind) =>
    steps
      .filter((step) => step.kind === "same" || step.kind === kind)
      .map((step) => (step.kind === "same" ? step.item : el("b", {}, step.item)));
  return { out: side("out"), in: side("in") };
}
