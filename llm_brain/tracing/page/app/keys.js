// What each key does, and the list of them.

const KEYS = [
  ["↑ ↓", "the span above, below"],
  ["→ ←", "open or close a span; go in, go out"],
  ["Enter", "read the span"],
  ["Home End PgUp PgDn", "go far"],
  ["/", "search"],
  ["e E", "the next failed span, the one before"],
  ["m c", "mark a span; compare another one with it"],
  ["z Z", "only this part of the tree; all of it again"],
  ["s", "draw the bars within the trace, the span around, or the run"],
  ["x", "remove all filters"],
  ["1 2 3 4", "the views"],
  ["t", "light, dark, or as the system has it"],
  ["Esc", "back"],
  ["?", "this list"],
];

function helpDialog() {
  const dialog = el(
    "dialog",
    { "aria-label": "Keys" },
    el("h2", {}, "Keys"),
    el(
      "dl.keys",
      {},
      KEYS.map(([keys, what]) =>
        el(
          "div",
          {},
          el(
            "dt",
            {},
            keys.split(" ").map((key) => el("kbd", {}, key)),
          ),
          el("dd", {}, what),
        ),
      ),
    ),
    el(
      "p.note",
      {},
      "The search looks for all words, in whatever was said or written of a span; words in quotation marks stay together.",
    ),
    button("Close", () => dialog.close()),
  );
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  return dialog;
}

function listenToKeys(app) {
  const acts = {
    "/": () => app.focusSearch(),
    "?": () => app.help.showModal(),
    e: () => app.nextFailed(1),
    E: () => app.nextFailed(-1),
    m: () => app.mark(app.selected),
    c: () => app.focusComparison(),
    z: () => app.selected >= 0 && app.filter({ within: app.selected }),
    Z: () => app.filter({ within: -1 }),
    s: () => app.changeScale(),
    x: () => app.filterAnew({}),
    t: () => app.theme.change(),
    Escape: () => app.back(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || app.help.open) return;
    const typing = event.target.closest("input, select, textarea");
    if (typing && event.key !== "Escape") return;
    const views = app.views.map(({ name }) => name);
    const act = acts[event.key] ?? (views[event.key - 1] && (() => app.show(views[event.key - 1])));
    if (!act) return;
    event.preventDefault();
    act();
  });
}
