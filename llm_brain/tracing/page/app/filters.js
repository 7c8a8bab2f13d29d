// Which spans are shown: those that every filter lets through, and the spans around them.

const NO_FILTERS = Object.freeze({ text: "", function: -1, kind: -1, status: "", step: "", within: -1 });

const STATUSES = {
  error: "failed",
  ok: "without an error",
  cached: "from the cache",
  asked: "not from the cache",
  unfinished: "unfinished",
};

const isFiltering = (filters) =>
  Object.entries(NO_FILTERS).some(([name, value]) => name !== "within" && filters[name] !== value);

/** Read "12" or "10-20" as the two ends of a range. */
function readRange(text) {
  const found = /^\s*(-?[\d.]+)\s*(?:(?:-|–|to|\.\.+)\s*(-?[\d.]+)\s*)?$/.exec(text);
  return found && { from: Number(found[1]), to: Number(found[2] ?? found[1]) };
}

/** Give a flag for each row, or null where everything is shown. */
function matchesOf(run, search, filters) {
  if (!isFiltering(filters)) return null;
  const range = readRange(filters.step);
  const found = filters.text.trim() ? search.find(filters.text) : null;
  const matches = new Uint8Array(run.size);
  for (let row = 0; row < run.size; row++) {
    matches[row] = Number(
      (!found || found[row] === 1) &&
        (filters.function < 0 || run.functionOf[row] === filters.function) &&
        (filters.kind < 0 || run.kind[row] === filters.kind) &&
        (!range || (run.stepOf[row] >= range.from && run.stepOf[row] <= range.to)) &&
        (!filters.status || hasStatus(run, row, filters.status)),
    );
  }
  return matches;
}

function hasStatus(run, row, status) {
  if (status === "cached") return run.cached[row] === 1;
  if (status === "asked") return run.isCall[row] === 1 && run.cached[row] === 0;
  return run.statusOf(row) === status;
}

/** List the rows to show, in the tree's order: open ones without a filter, matches and what is around them with one. */
function rowsToShow(run, matches, closed, within) {
  const from = within < 0 ? 0 : run.place[within];
  const end = within < 0 ? run.size : from + run.descendants[within] + 1;
  const kept = matches && withAncestors(run, matches);
  const rows = new Uint32Array(end - from);
  let length = 0;
  for (let at = from; at < end; at++) {
    const row = run.order[at];
    if (kept && !kept[row]) {
      at += run.descendants[row];
      continue;
    }
    rows[length++] = row;
    if (closed[row]) at += run.descendants[row];
  }
  return rows.subarray(0, length);
}

function withAncestors(run, matches) {
  const kept = matches.slice();
  for (let at = run.size - 1; at >= 0; at--) {
    const row = run.order[at];
    if (kept[row] && run.parent[row] >= 0) kept[run.parent[row]] = 1;
  }
  return kept;
}
