// The run by function and by trial.

function functionsView(app) {
  const { run } = app;
  const found = new Map();
  for (const row of run.order) {
    const number = run.functionOf[row];
    if (!run.isCall[row] && run.function[row] < 0) continue;
    if (!found.has(number))
      found.set(number, { number, asked: 0, calls: 0, failed: 0, cached: 0, tokens: 0, cost: 0, took: [] });
    const one = found.get(number);
    if (run.function[row] >= 0) {
      one.asked++;
      one.failed += run.failed[row];
      one.took.push(run.duration[row]);
    }
    if (!run.isCall[row]) continue;
    one.calls++;
    one.cached += run.cached[row];
    one.tokens += run.sums.tokens[row];
    one.cost += run.cost[row] ?? 0;
    if (number < 0) {
      one.failed += run.failed[row];
      one.took.push(run.duration[row]);
    }
  }
  const rows = Array.from(found.values(), (one) => ({
    ...one,
    ...ranks(one.took),
    name: run.words.function[one.number] ?? "(no function)",
  }));
  return sortable(
    [
      {
        title: "function",
        key: "name",
        cell: (one) => button(one.name, () => app.filterAnew({ function: one.number }), { class: "link" }),
      },
      { title: "asked", key: "asked", cell: (one) => (one.asked ? count(one.asked) : "–") },
      { title: "model calls", key: "calls", cell: (one) => count(one.calls) },
      {
        title: "failed",
        key: "failed",
        cell: (one) =>
          one.failed
            ? button(count(one.failed), () => app.filterAnew({ function: one.number, status: "error" }), {
                class: "link",
              })
            : "0",
      },
      { title: "cached", key: "cached", cell: (one) => (one.calls ? shares.format(one.cached / one.calls) : "–") },
      { title: "tokens", key: "tokens", cell: (one) => short(one.tokens) },
      { title: "cost", key: "cost", cell: (one) => (one.cost ? money(one.cost) : "–") },
      { title: "median", key: "half", cell: (one) => duration(one.half) },
      { title: "95%", key: "most", cell: (one) => duration(one.most) },
    ],
    rows,
    "half",
    "Functions",
  );
}

/** Nearest ranks, so that both are times that were measured. */
function ranks(took) {
  const sorted = Float64Array.from(took).sort();
  const rank = (share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { half: rank(0.5), most: rank(0.95) };
}

async function trialsView(app) {
  const { run } = app;
  const trials = trialRows(run);
  const rows = [];
  const knobs = new Set();
  for (const row of trials) {
    const told = (await run.record(row)).attributes[NAMES.hyperparameters];
    const chosen = told !== null && typeof told === "object" && !Array.isArray(told) ? told : {};
    for (const name of Object.keys(chosen)) knobs.add(name);
    rows.push({
      row,
      trial: run.trialOf(row) || String(rows.length),
      score: run.score[row],
      chosen,
      calls: run.sums.calls[row],
      tokens: run.sums.tokens[row],
      cost: run.sums.cost[row],
      took: run.duration[row],
      failed: run.failed[row],
    });
  }
  const columns = [
    {
      title: "trial",
      key: "row",
      cell: (one) => button(titleOf(run, one.row), () => app.filterAnew({ within: one.row }), { class: "link" }),
    },
    {
      title: "score",
      key: "score",
      cell: (one) => (one.score === null ? (one.failed ? "✕ error" : "–") : figure(one.score)),
    },
    ...Array.from(knobs)
      .slice(0, 24)
      .map((name) => ({
        title: name,
        sort: (one) => one.chosen[name],
        cell: (one) =>
          typeof one.chosen[name] === "number"
            ? figure(one.chosen[name])
            : one.chosen[name] === undefined
              ? "–"
              : asText(one.chosen[name]),
      })),
    {
      title: "calls",
      key: "calls",
      cell: (one) =>
        one.calls
          ? button(count(one.calls), () => app.filterAnew({ within: one.row, kind: run.words.kind.indexOf("call") }), {
              class: "link",
            })
          : "0",
    },
    { title: "tokens", key: "tokens", cell: (one) => short(one.tokens) },
    { title: "cost", key: "cost", cell: (one) => (one.cost ? money(one.cost) : "–") },
    { title: "took", key: "took", cell: (one) => duration(one.took) },
  ];
  return sortable(columns, rows, "score", "Trials");
}

const trialRows = (run) => Array.from(run.order).filter((row) => run.kindOf(row) === "trial");

/** A table that is sorted by a click on a head. */
function sortable(columns, rows, first, label) {
  let by = columns.find((column) => column.key === first);
  let down = true;
  const place = el("div");
  const read = (column, one) => (column.sort ? column.sort(one) : one[column.key]);
  const draw = (focus) => {
    const order = (one, other) => {
      const [left, right] = [read(by, one), read(by, other)];
      if (left === right) return 0;
      if (left === null || left === undefined) return 1;
      if (right === null || right === undefined) return -1;
      return (left < right ? -1 : 1) * (down ? -1 : 1);
    };
    const heads = columns.map((column) =>
      el(
        "th",
        { scope: "col", "aria-sort": column === by ? (down ? "descending" : "ascending") : "none" },
        button(
          column.title,
          () => {
            down = column === by ? !down : column !== columns[0];
            by = column;
            draw(columns.indexOf(column));
          },
          { class: "head" },
        ),
      ),
    );
    const body = rows
      .slice()
      .sort(order)
      .slice(0, 2000)
      .map((one) =>
        el(
          "tr",
          {},
          columns.map((column, at) => el(at ? "td.number" : "th.name", { scope: at ? null : "row" }, column.cell(one))),
        ),
      );
    place.replaceChildren(
      el(
        "div.scroll",
        { tabindex: "0", role: "region", "aria-label": label },
        el("table.sortable", {}, el("thead", {}, el("tr", {}, heads)), el("tbody", {}, body)),
      ),
    );
    if (focus !== undefined) place.querySelectorAll("button.head")[focus].focus();
  };
  draw();
  return place;
}
