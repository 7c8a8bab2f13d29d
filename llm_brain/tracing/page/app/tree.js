// The tree with its waterfall. Only the rows that can be seen are in the page.

class Tree {
  constructor(app) {
    this.app = app;
    this.sheet = el("div.rows", { role: "presentation" });
    this.spacer = el("div.spacer", { role: "presentation" }, this.sheet);
    this.element = el(
      "div.tree",
      { role: "tree", tabindex: "0", "aria-label": "Spans", id: "tree", onscroll: () => this.draw() },
      this.spacer,
    );
    this.element.addEventListener("click", (event) => this.click(event));
    this.element.addEventListener("dblclick", (event) => this.toggle(rowAt(event)));
    this.element.addEventListener("keydown", (event) => this.press(event));
    this.head = el(
      "div.row.head",
      { "aria-hidden": "true" },
      el("span.name", {}, "span"),
      el("span.number.tokens", {}, "tokens"),
      el("span.number.cost", {}, "cost"),
      el("span.number.time", {}, "time"),
      el("span.waterfall", {}, ""),
    );
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  get height() {
    return parseFloat(getComputedStyle(this.element).getPropertyValue("--row")) || 30;
  }

  draw() {
    const { rows } = this.app;
    const height = this.height;
    const seen = this.element.clientHeight || 600;
    const first = Math.max(0, Math.floor(this.element.scrollTop / height) - 6);
    const last = Math.min(rows.length, Math.ceil((this.element.scrollTop + seen) / height) + 6);
    this.spacer.style.setProperty("height", `${(rows.length + 1) * height}px`);
    this.sheet.style.setProperty("transform", `translateY(${first * height}px)`);
    this.sheet.replaceChildren(...Array.from(rows.subarray(first, last), (row) => this.rowOf(row)));
    if (!rows.length) this.sheet.replaceChildren(el("p.note", {}, "No span passes the filters."));
    const { selected } = this.app;
    if (selected >= 0 && document.getElementById(`row-${selected}`))
      this.element.setAttribute("aria-activedescendant", `row-${selected}`);
    else this.element.removeAttribute("aria-activedescendant");
  }

  rowOf(row) {
    const { run, selected, marked, matches, filters } = this.app;
    const kin = run.children(run.parent[row]);
    const children = run.descendants[row] > 0;
    const status = run.statusOf(row);
    const around = matches && !matches[row];
    const tokens = run.sums.tokens[row];
    const cost = run.sums.cost[row];
    const depth = Math.min(12, run.depth[row] - (filters.within >= 0 ? run.depth[filters.within] : 0));
    const made = el(
      "div.row",
      {
        id: `row-${row}`,
        "data-row": row,
        role: "treeitem",
        "aria-level": run.depth[row] + 1,
        "aria-posinset": kin.length < 2000 ? kin.indexOf(row) + 1 : null,
        "aria-setsize": kin.length,
        "aria-expanded": children ? String(!this.app.closed[row]) : null,
        "aria-selected": String(row === selected),
        "aria-label": this.label(row, status),
        style: { "--depth": depth },
      },
      el(
        "span.name",
        {},
        el("span.toggle", { "aria-hidden": "true" }, children ? "›" : ""),
        el("span.dot", { "aria-hidden": "true" }),
        status === "error" ? el("span.cross", { "aria-hidden": "true" }, "✕") : null,
        el("span.title", {}, titleOf(run, row)),
        row === marked ? el("span.tag", {}, "marked") : null,
        run.isCall[row] && run.cached[row] ? el("span.tag", {}, "cached") : null,
        status === "error" && run.errorOf(row) ? el("span.tag.bad", {}, run.errorOf(row).split(".").at(-1)) : null,
        children && this.app.closed[row] ? el("span.tag", {}, `${short(run.descendants[row])} inside`) : null,
        children && this.app.closed[row] && run.sums.errors[row]
          ? el("span.tag.bad", {}, plural(run.sums.errors[row], "error"))
          : null,
      ),
      el("span.number.tokens", {}, tokens ? short(tokens) : ""),
      el("span.number.cost", {}, cost ? money(cost) : ""),
      el("span.number.time", {}, duration(run.duration[row])),
      el("span.waterfall", {}, this.bar(row)),
    );
    made.classList.add(`kind-${familyOf(run.kindOf(row))}`, status);
    made.classList.toggle("around", Boolean(around));
    made.classList.toggle("cached", run.isCall[row] === 1 && run.cached[row] === 1);
    made.classList.toggle("selected", row === selected);
    return made;
  }

  bar(row) {
    const { run, filters, scale } = this.app;
    const outermost = filters.within >= 0 ? filters.within : run.root[row];
    const base = scale === "parent" && row !== outermost && run.parent[row] >= 0 ? run.parent[row] : outermost;
    const from = scale === "run" ? 0 : run.start[base];
    const whole = (scale === "run" ? this.app.totals.wall : run.end[base] - from) || 1;
    const left = Math.min(100, Math.max(0, ((run.start[row] - from) / whole) * 100));
    const width = Math.min(100 - left, (run.duration[row] / whole) * 100);
    return el("span.bar", { style: { left: `${left}%`, width: `${width}%` } });
  }

  label(row, status) {
    const { run } = this.app;
    const told = [
      titleOf(run, row),
      run.kindOf(row),
      duration(run.duration[row]),
      status === "ok" ? "" : status,
      run.cached[row] ? "cached" : "",
    ];
    if (run.sums.tokens[row]) told.push(`${count(run.sums.tokens[row])} tokens`);
    return told.filter(Boolean).join(", ");
  }

  click(event) {
    const row = rowAt(event);
    if (row < 0) return;
    if (event.target.closest(".toggle")?.textContent) this.toggle(row);
    else this.app.select(row, { open: true });
  }

  toggle(row) {
    const { run, closed } = this.app;
    if (row < 0 || !run.descendants[row]) return;
    closed[row] = Number(!closed[row]);
    this.app.list();
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { run, rows, selected, closed } = this.app;
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.height) - 1);
    const at = selected < 0 ? -1 : this.app.placeOf(selected);
    const go = (place) => rows.length && this.app.select(rows[Math.max(0, Math.min(rows.length - 1, place))]);
    const acts = {
      ArrowDown: () => go(at + 1),
      ArrowUp: () => go(at - 1),
      PageDown: () => go(at + page),
      PageUp: () => go(at - page),
      Home: () => go(0),
      End: () => go(rows.length - 1),
      Enter: () => selected >= 0 && this.app.select(selected, { open: true, focus: true }),
      " ": () => this.toggle(selected),
      ArrowRight: () => {
        if (selected < 0 || !run.descendants[selected]) return;
        if (closed[selected]) this.toggle(selected);
        else go(at + 1);
      },
      ArrowLeft: () => {
        if (selected < 0) return;
        if (run.descendants[selected] && !closed[selected]) this.toggle(selected);
        else if (run.parent[selected] >= 0 && selected !== this.app.filters.within)
          this.app.select(run.parent[selected]);
      },
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }

  /** Scroll just so far that a row can be seen, and draw what is seen then. */
  reveal(row) {
    const place = this.app.placeOf(row);
    const height = this.height;
    const { scrollTop, clientHeight } = this.element;
    if (place >= 0 && place * height < scrollTop) this.element.scrollTop = Math.max(0, (place - 1) * height);
    else if ((place + 1) * height > scrollTop + clientHeight)
      this.element.scrollTop = (place + 2) * height - clientHeight;
    this.draw();
  }
}

const rowAt = (event) => Number(event.target.closest("[data-row]")?.dataset.row ?? -1);

/** Kinds that look the same: what asks, what is asked, and what learns. */
function familyOf(kind) {
  if (kind === "call" || kind === "attempt" || kind === "function" || kind === "repair" || kind === "unfinished")
    return kind;
  return ["epoch", "step", "validation", "evaluation", "trial", "study"].includes(kind) ? "training" : "other";
}

function titleOf(run, row) {
  const name = run.nameOf(row);
  const told = [];
  if (run.kindOf(row) === "attempt" && run.attempt[row] !== null) return `${name} ${run.attempt[row]}`;
  if (run.kindOf(row) === "trial" && run.trialOf(row)) told.push(run.trialOf(row));
  else if (run.step[row] !== null) told.push(`step ${run.step[row]}`);
  if (run.attempt[row] !== null) told.push(`attempt ${run.attempt[row]}`);
  return told.length ? `${name} · ${told.join(" · ")}` : name;
}
