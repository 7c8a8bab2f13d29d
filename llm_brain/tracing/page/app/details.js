// All of one span.

const NAMES = {
  input: "gen_ai.input.messages",
  output: "gen_ai.output.messages",
  finish: "gen_ai.response.finish_reasons",
  temperature: "gen_ai.request.temperature",
  cacheRead: "gen_ai.usage.cache_read.input_tokens",
  arguments: "llm_brain.arguments",
  value: "llm_brain.value",
  reason: "llm_brain.reason",
  repaired: "llm_brain.repaired",
  tries: "llm_brain.tries",
  tryErrors: "llm_brain.try_errors",
  notes: "llm_brain.notes",
  options: "llm_brain.options",
  probabilities: "llm_brain.probabilities",
  hyperparameters: "llm_brain.hyperparameters",
  proposer: "llm_brain.proposer",
  metric: "llm_brain.metric.",
  status: "http.response.status_code",
};

async function detailsOf(app, row) {
  const { run } = app;
  const record = await run.record(row);
  const told = record.attributes;
  return [
    heading(app, row),
    facts(run, row, told),
    tools(app, row),
    unfinishedNote(run, row),
    record.error ? failure(record.error) : null,
    repairReason(told),
    NAMES.arguments in told ? section("Arguments", valueOf(told[NAMES.arguments])) : null,
    NAMES.input in told ? section("Asked", messageList(messagesOf(told[NAMES.input]), false)) : null,
    choices(told),
    NAMES.output in told ? section("Replied", messageList(messagesOf(told[NAMES.output]), true)) : null,
    NAMES.value in told ? section("Value", valueOf(told[NAMES.value])) : null,
    Array.isArray(told[NAMES.notes])
      ? section(
          "Notes",
          el(
            "ul",
            {},
            told[NAMES.notes].map((note) => el("li", {}, asText(note))),
          ),
        )
      : null,
    tries(told),
    metrics(app, row, told),
    NAMES.hyperparameters in told ? section("Hyperparameters", valueOf(told[NAMES.hyperparameters])) : null,
    callsInside(app, row),
    comparisonSection(app, row),
    everything(app, row, told),
  ].filter(Boolean);
}

const link = (app, row) =>
  button(titleOf(app.run, row), () => app.select(row, { open: true, show: true }), { class: "link" });

function heading(app, row) {
  const { run } = app;
  const path = run
    .ancestors(row)
    .map((above, at) => [at ? el("span", { "aria-hidden": "true" }, " / ") : null, link(app, above)]);
  return el(
    "header",
    {},
    path.length ? el("nav.path", { "aria-label": "Spans around this one" }, path) : null,
    el("h2", { tabindex: "-1", id: "heading" }, titleOf(run, row)),
  );
}

function facts(run, row, told) {
  const status = run.statusOf(row);
  const cacheRead = told[NAMES.cacheRead];
  const pairs = [
    ["kind", run.kindOf(row) || "own work"],
    ["status", status === "error" ? "✕ error" : status],
    ["took", duration(run.duration[row])],
    [
      "began",
      run.root[row] === row
        ? dates.format(new Date((run.begin_ns / 1e3 + run.start[row]) / 1e3))
        : `+${duration(run.start[row] - run.start[run.root[row]])}`,
    ],
    ["model", run.modelOf(row)],
    ["tokens", tokensOf(run, row, cacheRead)],
    ["cost", costOf(run, row)],
    ["cache", run.isCall[row] ? (run.cached[row] ? "answered from the cache" : "") : ""],
    ["temperature", told[NAMES.temperature]],
    ["ended", Array.isArray(told[NAMES.finish]) ? told[NAMES.finish].map(asText).join(", ") : ""],
    ["HTTP status", told[NAMES.status]],
    ["score", run.score[row] === null ? "" : figure(run.score[row])],
    ["repaired", told[NAMES.repaired] === true ? "yes" : ""],
    ["proposed by", told[NAMES.proposer]],
  ];
  return el(
    "dl.facts",
    {},
    pairs
      .filter(([, value]) => value !== "" && value !== undefined && value !== null)
      .map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, asText(value)))),
  );
}

function tokensOf(run, row, cacheRead) {
  if (!run.isCall[row])
    return run.sums.tokens[row] ? `${count(run.sums.tokens[row])} in ${plural(run.sums.calls[row], "call")}` : "";
  if (run.input[row] === null && run.output[row] === null) return "";
  const kept =
    typeof cacheRead === "number" && cacheRead > 0 ? ` (${count(cacheRead)} of them cached by the server)` : "";
  return `${count(run.input[row] ?? 0)} in${kept}, ${count(run.output[row] ?? 0)} out`;
}

const costOf = (run, row) =>
  run.sums.cost[row] ? money(run.sums.cost[row]) : run.isCall[row] && run.cost[row] === 0 ? "$0" : "";

function tools(app, row) {
  const { run, filters, marked } = app;
  const step = run.stepOf[row];
  return el(
    "div.tools",
    {},
    button(row === marked ? "Unmark" : "Mark to compare", () => app.mark(row)),
    run.descendants[row] && filters.within !== row ? button("Only this part", () => app.filter({ within: row })) : null,
    run.functionOf[row] >= 0 ? button("Only this function", () => app.filter({ function: run.functionOf[row] })) : null,
    Number.isFinite(step) ? button(`Only step ${step}`, () => app.filter({ step: String(step) })) : null,
  );
}

function unfinishedNote(run, row) {
  if (!run.isUnfinished(row)) return null;
  return el(
    "p",
    {},
    "This span is in none of the run's files: it had not ended when its process did, or another program recorded it. ",
    "Its children tell what was done; its times are theirs.",
  );
}

function failure(error) {
  return el(
    "section.failure",
    {},
    el("h3", {}, el("span", { "aria-hidden": "true" }, "✕ "), asText(error.type ?? "error")),
    error.message ? textOf(asText(error.message)) : null,
  );
}

const repairReason = (told) =>
  NAMES.reason in told ? section("Why it was asked again", textOf(asText(told[NAMES.reason]))) : null;

function choices(told) {
  const probabilities = told[NAMES.probabilities];
  const options = told[NAMES.options];
  const listed = Array.isArray(options) ? options.map(asText) : [];
  if (probabilities && typeof probabilities === "object") {
    const named = Array.isArray(probabilities)
      ? Object.fromEntries(probabilities.map((share, at) => [listed[at] ?? at, share]))
      : probabilities;
    return section("Probabilities", barsOf(named));
  }
  return listed.length
    ? section(
        "Options",
        el(
          "ul",
          {},
          listed.map((option) => el("li", {}, option)),
        ),
      )
    : null;
}

function tries(told) {
  const failed = told[NAMES.tries];
  if (!Array.isArray(failed) || !failed.length) return null;
  const words = Array.isArray(told[NAMES.tryErrors]) ? told[NAMES.tryErrors] : [];
  const rows = failed.map((one, at) => [
    String(at + 1),
    asText(one?.kind ?? ""),
    one?.status === null || one?.status === undefined ? null : asText(one.status),
    typeof one?.duration === "number" ? duration(one.duration * 1e6) : null,
    one?.perhaps_billed ? "perhaps" : "no",
    words[at] === undefined ? null : textOf(asText(words[at])),
  ]);
  return section(
    "Requests that failed",
    tableOf(["request", "fault", "status", "took", "billed", "what the server said"], rows, {
      label: "Requests that failed",
    }),
  );
}

function metrics(app, row, told) {
  const rows = Object.entries(told)
    .filter(([name]) => name.startsWith(NAMES.metric))
    .map(([name, value]) => [name.slice(NAMES.metric.length), typeof value === "number" ? value : asText(value)]);
  if (!rows.length) return null;
  return section(
    "Metrics",
    tableOf(["metric", "value"], rows, { label: "Metrics" }),
    button("Show the curves", () => app.show("training"), { class: "quiet" }),
  );
}

/** The calls behind a span, the first ones of them. */
function callsInside(app, row) {
  const { run } = app;
  if (run.isCall[row] || !run.sums.calls[row]) return null;
  const from = run.place[row];
  const calls = [];
  for (let at = from; at <= from + run.descendants[row] && calls.length < 12; at++)
    if (run.isCall[run.order[at]]) calls.push(run.order[at]);
  const rest = run.sums.calls[row] - calls.length;
  return section(
    plural(run.sums.calls[row], "call"),
    tableOf(
      ["call", "tokens", "took", "status"],
      calls.map((one) => [
        link(app, one),
        short(run.sums.tokens[one]),
        duration(run.duration[one]),
        run.failed[one] ? "✕ error" : run.cached[one] ? "cached" : "",
      ]),
      { label: "Calls" },
    ),
    rest > 0
      ? button(
          `Show all ${count(run.sums.calls[row])}`,
          () => app.filter({ within: row, kind: run.words.kind.indexOf("call") }),
          { class: "quiet" },
        )
      : null,
  );
}

function everything(app, row, told) {
  const { run } = app;
  const rows = [
    ["trace", run.traceOf(row)],
    ["span", run.id[row]],
    ...Object.entries(told).map(([name, value]) => [name, textOf(asText(value))]),
  ];
  return el(
    "details",
    {},
    el("summary", {}, "All attributes"),
    tableOf(["name", "value"], rows, { label: "All attributes" }),
  );
}

/** Where to look first, while nothing is chosen. */
function overview(app) {
  const { run } = app;
  const calls = Array.from(run.order).filter((row) => run.isCall[row]);
  const top = (values, rows) =>
    rows
      .filter((row) => values[row] > 0)
      .sort((one, other) => values[other] - values[one])
      .slice(0, 5);
  const failed = Array.from(run.order).filter((row) => run.beganToFail(row));
  const where = (row) =>
    run.isCall[row] && run.functionOf[row] >= 0 ? `${run.words.function[run.functionOf[row]]} · ` : "";
  const list = (title, rows, tell) =>
    rows.length
      ? section(
          title,
          el(
            "ul.plain",
            {},
            rows.map((row) => el("li", {}, link(app, row), el("span.aside", {}, tell(row)))),
          ),
        )
      : null;
  return [
    el("h2", { tabindex: "-1", id: "heading" }, "Where to look"),
    list("Failed first", failed.slice(0, 5), (row) => `${where(row)}${run.errorOf(row)}`),
    list("Slowest calls", top(run.duration, calls), (row) => `${where(row)}${duration(run.duration[row])}`),
    list("Dearest calls", top(run.sums.cost, calls), (row) => `${where(row)}${money(run.cost[row])}`),
    el("p.note", {}, "Choose a span to see all of it. ", el("kbd", {}, "?"), " lists the keys."),
  ];
}
