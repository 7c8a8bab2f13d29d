// Where everything stands: the head with the totals, the views, the filters, the tree and the details.

const TYPING = 60; // milliseconds without a key before the search begins
const WIDE = 700;

/** Put the page together, and give the elements that change. */
function layOut(app) {
  const searchInput = searchField(app);
  const inputs = filterFields(app);
  const count = el("output.count", { "aria-live": "polite" });
  const clear = button("Clear", () => app.filterAnew({}), { class: "quiet" });
  const scaleButton = button("", () => app.changeScale(), { class: "quiet scale" });
  const within = el("p.within", { hidden: true });
  const details = el("article.details", { "aria-label": "The chosen span", tabindex: "-1" });
  const closeDetails = button("‹ Back to the tree", () => app.back(), { class: "close" });
  const tabs = el(
    "nav.tabs",
    { "aria-label": "Views" },
    app.views.map(({ name, title }) => button(title, () => app.show(name), { "data-view": name })),
  );
  const choices = el("div.choices", {}, Object.values(inputs));
  const filters = el("details.filters", { open: innerWidth > WIDE }, el("summary", {}, "Filters"), choices);
  const state = el("div.state", {}, count, clear, scaleButton);
  const bar = el("div.bar-of-filters", { role: "search" }, searchInput, filters, state);
  const spans = el("section.spans", { "aria-label": "Spans" }, bar, within, app.tree.head, app.tree.element);
  const panels = {
    trace: el("main.trace", { id: "trace" }, spans, details),
    other: el("main.other", { hidden: true, tabindex: "-1" }),
  };
  const views = app.views.length > 1 ? tabs : "";
  document.getElementById("page").replaceChildren(headOf(app), views, panels.trace, panels.other, app.help);
  return { searchInput, inputs, count, clear, scaleButton, within, details, closeDetails, tabs, panels };
}

function headOf(app) {
  const { run } = app;
  const begun = run.size ? dates.format(new Date(run.begin_ns / 1e6)) : "No spans are recorded";
  const help = button("?", () => app.help.showModal(), { class: "quiet", "aria-label": "Keys" });
  return el(
    "header.top",
    {},
    el("div.name-of-run", {}, el("h1", {}, document.title), el("p.when", {}, begun)),
    totalsOf(app),
    el("div.corner", {}, app.theme.button, help),
  );
}

function totalsOf({ run, totals }) {
  const { calls, cached, input, output, cost, priced, errors, unfinished, wall } = totals;
  const pairs = [
    [count(run.recorded), run.recorded === 1 ? "span" : "spans"],
    [count(calls), calls === 1 ? "call" : "calls"],
    [`${short(input)} + ${short(output)}`, "tokens in + out"],
    [priced ? money(cost) : "–", "cost"],
    [calls ? shares.format(cached / calls) : "–", "cached"],
    [count(errors), errors === 1 ? "error" : "errors", errors ? "bad" : ""],
    ...(unfinished ? [[count(unfinished), "unfinished"]] : []),
    [duration(wall), "wall time"],
  ];
  return el(
    "dl.totals",
    {},
    pairs.map(([value, name, kind]) => el("div", { class: kind || null }, el("dt", {}, name), el("dd", {}, value))),
  );
}

function searchField(app) {
  const field = el("input", {
    type: "search",
    id: "search",
    placeholder: "Search",
    "aria-label": "Search in all that was said",
    autocomplete: "off",
    spellcheck: "false",
  });
  let waiting = 0;
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => app.filter({ text: field.value }), TYPING);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== "ArrowDown") return;
    event.preventDefault();
    app.focusTree();
  });
  return field;
}

function filterFields(app) {
  const { words, stepOf } = app.run;
  const numbered = (list) => list.map((word, number) => [number, word]).filter(([, word]) => word);
  const sorted = (list) => numbered(list).sort((one, other) => one[1].localeCompare(other[1]));
  return {
    function: words.function.length
      ? listField(app, "function", "All functions", sorted(words.function), Number)
      : null,
    kind: listField(app, "kind", "All kinds", sorted(words.kind), Number),
    status: listField(app, "status", "Any status", Object.entries(STATUSES), String),
    step: stepOf.some(Number.isFinite) ? stepField(app) : null,
  };
}

function listField(app, name, label, options, read) {
  const change = () => app.filter({ [name]: read(field.value) });
  const field = el(
    "select",
    { id: `filter-${name}`, "aria-label": label, onchange: change },
    el("option", { value: NO_FILTERS[name] }, label),
    options.map(([value, title]) => el("option", { value }, title)),
  );
  return field;
}

function stepField(app) {
  const field = el("input", {
    id: "filter-step",
    type: "text",
    inputmode: "decimal",
    placeholder: "Step",
    size: "7",
    "aria-label": "Step, such as 12 or 10-20",
    autocomplete: "off",
    oninput: () => app.filter({ step: field.value }),
  });
  return field;
}
