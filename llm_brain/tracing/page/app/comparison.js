// What differs between two spans: what was asked, what was replied, and what became of it.

async function comparisonOf(run, before, after) {
  const [one, other] = [await run.record(before), await run.record(after)];
  const parts = [];
  const add = (title, read) => {
    const [left, right] = [read(one), read(other)];
    if (left || right) parts.push(el("section.compared", {}, el("h4", {}, title), differenceOf(left, right)));
  };
  add("Asked", ({ attributes }) => spoken(attributes[NAMES.input]));
  add("Arguments", ({ attributes }) => pretty(attributes[NAMES.arguments]));
  add("Replied", ({ attributes }) => spoken(attributes[NAMES.output], true));
  add("Value", ({ attributes }) => pretty(attributes[NAMES.value]));
  add("Error", ({ error }) => (error ? `${asText(error.type ?? "")}: ${asText(error.message ?? "")}` : ""));
  add("Settings and usage", settingsOf);
  return parts.length
    ? parts
    : [el("p.note", {}, "Neither span says anything: contents were not recorded, or there are none.")];
}

function settingsOf({ attributes }) {
  const told = Object.entries(attributes).filter(([name]) => /^gen_ai\.(request|response|usage)\./.test(name));
  const lines = told.map(
    ([name, value]) => `${name.slice("gen_ai.".length)}: ${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return lines.sort().join("\n");
}

function spoken(value, isReply = false) {
  return messagesOf(value)
    .map(({ role, text }) => {
      const parsed = isReply ? readJson(text) : undefined;
      return `${role ? `${role}:\n` : ""}${parsed === undefined ? text : pretty(parsed)}`;
    })
    .join("\n\n");
}

const pretty = (value) => (value === undefined ? "" : asText(value));

/** A section that compares a span with one of several, chosen from a list. */
function comparisonSection(app, row) {
  const { run } = app;
  const others = partnersOf(app, row);
  if (!others.length) return null;
  const place = el("div", { "aria-live": "polite" });
  const told = (one) => [link(app, one), ` (+${duration(run.start[one] - run.start[run.root[one]])})`];
  const show = async (other) => {
    if (other < 0) return empty(place);
    const [before, after] = run.start[other] <= run.start[row] ? [other, row] : [row, other];
    const parts = await comparisonOf(run, before, after);
    const from = el("p.note", {}, "From ", told(before), " to ", told(after));
    place.replaceChildren(from, ...parts);
  };
  const chosen = others.find((one) => one.isObvious);
  const select = el(
    "select",
    { "aria-label": "Compare with", id: "compare", onchange: () => show(Number(select.value)) },
    el("option", { value: -1 }, "nothing"),
    others.map(({ row: other, label, isObvious }) => el("option", { value: other, selected: isObvious }, label)),
  );
  if (chosen) show(chosen.row);
  return el("section.comparison", {}, el("h3", {}, el("label", { for: "compare" }, "Compared with "), select), place);
}

/** What one would compare a span with: what was marked, other attempts, and the same function before and after. */
function partnersOf(app, row) {
  const { run, marked } = app;
  const found = [];
  const add = (other, label, isObvious = false) => {
    if (other >= 0 && other !== row && !found.some((one) => one.row === other))
      found.push({ row: other, label, isObvious });
  };
  if (marked >= 0) add(marked, `marked: ${titleOf(run, marked)}`, true);
  if (run.isCall[row]) {
    const attempts = run.attemptsOf(row);
    const at = attempts.indexOf(row);
    attempts.forEach((other, number) =>
      add(other, `attempt ${number + 1} of this call`, marked < 0 && number === at - 1),
    );
  }
  add(app.twinOf(row, -1), "the same before");
  add(app.twinOf(row, 1), "the same after");
  return found;
}
