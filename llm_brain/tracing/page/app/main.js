// The page as a whole: what is chosen, what is filtered, and which view is shown.

const SCALES = { trace: "Bars within the trace", parent: "Bars within the span around", run: "Bars within the run" };
const MANY_SPANS = 500; // calls are mere dots beside a whole training
const FIRST_ROWS = 300;
const RESTING = 300; // milliseconds without a key before the address changes

/** List the views that have something to show. */
function viewsOf(run, totals) {
  const isCurve = (name) => !AXES.has(name);
  const hasCurves = Object.keys(run.metrics).some(isCurve) || run.score.some((score) => score !== null);
  return [
    { name: "trace", title: "Trace" },
    hasCurves && { name: "training", title: "Training" },
    trialRows(run).length && { name: "trials", title: "Trials" },
    (totals.calls || run.words.function.length) && { name: "functions", title: "Functions" },
  ].filter(Boolean);
}

class App {
  constructor(run) {
    this.run = run;
    this.search = new Search(run);
    this.totals = run.totals();
    this.filters = { ...NO_FILTERS };
    this.matches = null;
    this.folded = this.firstFolded();
    this.closed = this.folded;
    this.selected = -1;
    this.marked = -1;
    this.scale = run.size > MANY_SPANS ? "parent" : "trace";
    this.view = "trace";
    this.views = viewsOf(run, this.totals);
    this.tree = new Tree(this);
    this.help = helpDialog();
    this.theme = new Theme();
    Object.assign(this, layOut(this));
    this.list();
    this.overview();
    listenToKeys(this);
    window.addEventListener("hashchange", () => this.follow());
    this.follow();
  }

  /** Close what lies so deep that the first look would be at hundreds of rows. */
  firstFolded() {
    const { run } = this;
    const closed = new Uint8Array(run.size);
    const perDepth = [];
    for (const depth of run.depth) perDepth[depth] = (perDepth[depth] ?? 0) + 1;
    let shown = 0;
    let deepest = 0;
    for (; deepest < perDepth.length && (deepest === 0 || shown + perDepth[deepest] <= FIRST_ROWS); deepest++)
      shown += perDepth[deepest];
    for (let row = 0; row < run.size; row++)
      closed[row] = Number(run.depth[row] >= deepest - 1 && run.descendants[row] > 0);
    return closed;
  }

  /** List the rows anew: after a filter, or after something was opened or closed. */
  list() {
    this.rows = rowsToShow(this.run, this.matches, this.closed, this.filters.within);
    this.tree.draw();
    this.tell();
  }

  placeOf(row) {
    return this.rows.indexOf(row);
  }

  filter(change) {
    const begun = performance.now();
    this.filters = { ...this.filters, ...change };
    const { run, filters } = this;
    for (const [name, input] of Object.entries(this.inputs))
      if (input && String(filters[name]) !== input.value) input.value = String(filters[name]);
    if (this.searchInput.value !== filters.text) this.searchInput.value = filters.text;
    this.matches = matchesOf(run, this.search, filters);
    if (this.matches) this.closed = new Uint8Array(run.size);
    else this.closed = this.folded;
    if (filters.within >= 0) this.closed[filters.within] = 0;
    if (this.view !== "trace") this.show("trace");
    if (Object.keys(change).length) this.tree.element.scrollTop = 0;
    this.list();
    this.tree.reveal(this.selected);
    requestAnimationFrame(() => setTimeout(() => performance.measure("filter", { start: begun })));
  }

  filterAnew(change) {
    this.filter({ ...NO_FILTERS, ...change });
  }

  tell() {
    const { run, matches, filters, search } = this;
    let found = run.size;
    if (matches) {
      found = 0;
      for (let row = 0; row < run.size; row++)
        found += matches[row] && (filters.within < 0 || run.isInside(row, filters.within));
    } else if (filters.within >= 0) found = run.descendants[filters.within] + 1;
    const reading = filters.text && !search.isComplete ? ", still reading" : "";
    this.count.replaceChildren(
      `${found === run.size ? plural(run.size, "span") : `${count(found)} of ${plural(run.size, "span")}`}${reading}`,
    );
    this.clear.hidden = !isFiltering(filters) && filters.within < 0;
    this.scaleButton.replaceChildren(SCALES[this.scale]);
    this.within.hidden = filters.within < 0;
    if (filters.within >= 0)
      this.within.replaceChildren(
        "Inside ",
        link(this, filters.within),
        " ",
        button("Show all", () => this.filter({ within: -1 }), { class: "quiet" }),
      );
  }

  /** Choose a span. `open` shows it over the tree on a phone, `show` brings its view and its row up, `focus` goes to it. */
  async select(row, { open = false, show = false, focus = false } = {}) {
    this.selected = row;
    if (show) {
      if (this.view !== "trace") this.show("trace");
      this.unveil(row);
    }
    this.tree.reveal(row);
    const isNarrow = matchMedia("(max-width: 900px)").matches;
    if (open && isNarrow) document.documentElement.classList.add("reading");
    this.address(`#span=${encodeURIComponent(this.run.id[row])}`);
    const parts = await detailsOf(this, row);
    if (this.selected !== row) return;
    this.details.replaceChildren(this.closeDetails, ...parts);
    this.details.dataset.span = this.run.id[row];
    this.details.scrollTop = 0;
    if (focus || (open && isNarrow)) document.getElementById("heading")?.focus({ preventScroll: true });
  }

  /** Open what hides a row; remove the filters if they do. */
  unveil(row) {
    if (
      (this.matches && !this.matches[row]) ||
      (this.filters.within >= 0 && !this.run.isInside(row, this.filters.within))
    )
      this.filterAnew({});
    for (const above of this.run.ancestors(row)) this.closed[above] = 0;
    this.list();
  }

  mark(row) {
    if (row < 0) return;
    this.marked = this.marked === row ? -1 : row;
    this.select(row);
  }

  /** The next span of the same name, kind and function, in a direction. */
  twinOf(row, direction) {
    const { run } = this;
    for (let at = run.place[row] + direction; at >= 0 && at < run.size; at += direction) {
      const other = run.order[at];
      if (
        run.name[other] === run.name[row] &&
        run.kind[other] === run.kind[row] &&
        run.functionOf[other] === run.functionOf[row]
      )
        return other;
    }
    return -1;
  }

  nextFailed(direction) {
    const { run } = this;
    const from = this.selected < 0 ? (direction > 0 ? -1 : run.size) : run.place[this.selected];
    for (let at = from + direction; at >= 0 && at < run.size; at += direction) {
      const row = run.order[at];
      if (run.failed[row]) return this.select(row, { show: true });
    }
  }

  overview() {
    this.details.replaceChildren(this.closeDetails, ...overview(this).filter(Boolean));
  }

  async show(name) {
    this.view = name;
    clearTimeout(this.addressing);
    for (const tab of this.tabs.children)
      tab.setAttribute("aria-current", tab.dataset.view === name ? "page" : "false");
    this.panels.trace.hidden = name !== "trace";
    this.panels.other.hidden = name === "trace";
    if (name === "trace") return this.tree.draw();
    const views = { training: trainingView, trials: trialsView, functions: functionsView };
    const made = await views[name](this);
    if (this.view === name) this.panels.other.replaceChildren(made);
    this.address(`#${name}`);
  }

  /** Put what is shown into the address, once the keys rest: browsers count how often it changes. */
  address(hash) {
    clearTimeout(this.addressing);
    this.addressing = setTimeout(() => location.hash !== hash && history.replaceState(null, "", hash), RESTING);
  }

  /** Go where the address says. */
  follow() {
    const span = /^#span=(.+)$/.exec(location.hash);
    const name = location.hash.slice(1);
    let id = "";
    try {
      id = span ? decodeURIComponent(span[1]) : "";
    } catch {
      return this.show("trace");
    }
    const row = span ? this.run.id.indexOf(id) : -1;
    if (row >= 0 && row !== this.selected) this.select(row, { open: true, show: true });
    else this.show(this.views.some((view) => view.name === name) ? name : "trace");
  }

  back() {
    if (document.documentElement.classList.contains("reading")) {
      document.documentElement.classList.remove("reading");
      return this.focusTree();
    }
    if (document.activeElement === this.searchInput && this.filters.text) return this.filter({ text: "" });
    this.focusTree();
  }

  focusTree() {
    if (this.view !== "trace") this.show("trace");
    if (this.selected < 0 || this.placeOf(this.selected) < 0) {
      if (this.rows.length) this.select(this.rows[this.firstMatch()]);
    }
    this.tree.element.focus({ preventScroll: true });
  }

  firstMatch() {
    const first = this.matches ? this.rows.findIndex((row) => this.matches[row]) : 0;
    return Math.max(0, first);
  }

  focusComparison() {
    const choice = document.getElementById("compare");
    choice?.closest("section").scrollIntoView({ block: "start" });
    choice?.focus({ preventScroll: true });
  }

  focusSearch() {
    if (this.view !== "trace") this.show("trace");
    document.documentElement.classList.remove("reading");
    this.searchInput.focus();
    this.searchInput.select();
  }

  changeScale() {
    const scales = Object.keys(SCALES);
    this.scale = scales[(scales.indexOf(this.scale) + 1) % scales.length];
    this.list();
  }
}

async function begin() {
  const run = new Run(JSON.parse(await unpacked(document.getElementById("table"))));
  const app = new App(run);
  requestAnimationFrame(() => setTimeout(() => performance.mark("usable")));
  await app.search.build(() => {
    if (app.filters.text) app.filter({});
    else app.tell();
  });
  performance.mark("searchable");
}

begin().catch((problem) => {
  document
    .getElementById("page")
    .replaceChildren(el("p.loading", { role: "alert" }, `The run could not be opened: ${problem.message}`));
  throw problem;
});
