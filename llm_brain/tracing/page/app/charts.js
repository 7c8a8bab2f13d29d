// Curves of metrics over the steps of a training. Each point leads to the span that told it, and so to its calls.

const MOST_POINTS = 1500;
const AXES = new Set(["step", "epoch"]); // they say where a number belongs, and are no curve
const MARGIN = { left: 52, right: 14, top: 10, bottom: 26 };

/** Gather a curve for each metric: its lines by kind of span and trial, each a list of points `{ x, y, row }`. */
function curvesOf(run) {
  const steps = new Map((run.metrics.step?.row ?? []).map((row, at) => [row, run.metrics.step.value[at]]));
  const told = Object.entries(run.metrics).filter(([name]) => !AXES.has(name));
  const scored = run.score.flatMap((score, row) => (score === null ? [] : [row]));
  if (scored.length) told.push(["score", { row: scored, value: scored.map((row) => run.score[row]) }]);
  const stepOf = (row) => steps.get(row) ?? run.stepOf[row];
  return told.flatMap(([name, { row: rows, value }]) => {
    const points = rows.map((row, at) => ({ row, y: value[at] }));
    const placed = points
      .filter(({ row }) => Number.isFinite(stepOf(row)))
      .map((point) => ({ ...point, x: stepOf(point.row) }));
    const others = points
      .filter(({ row }) => !Number.isFinite(stepOf(row)))
      .sort((one, other) => run.start[one.row] - run.start[other.row]);
    const numbered = others.map((point, at) => ({ ...point, x: at + 1 }));
    return [curveOf(run, name, "step", placed), curveOf(run, name, "number", numbered)].filter(
      ({ lines }) => lines.length,
    );
  });
}

function curveOf(run, name, axis, points) {
  const lines = new Map();
  for (const point of points.sort((one, other) => one.x - other.x)) {
    const kind = run.kindOf(point.row) || run.nameOf(point.row);
    const trial = kind === "trial" ? "" : trialAround(run, point.row);
    const title = trial ? `${kind}, trial ${trial}` : kind;
    if (!lines.has(title)) lines.set(title, []);
    lines.get(title).push(point);
  }
  return { name, axis, lines: Array.from(lines, ([title, inOrder]) => ({ title, points: inOrder })) };
}

function trialAround(run, row) {
  for (let at = row; at >= 0; at = run.parent[at]) if (run.trialOf(at)) return run.trialOf(at);
  return "";
}

function trainingView(app) {
  const curves = curvesOf(app.run);
  return el(
    "div.curves",
    {},
    curves.map((curve) => chartOf(app, curve)),
  );
}

function chartOf(app, curve) {
  const place = el("div.plot");
  const told = el("p.told", { "aria-live": "polite" }, " ");
  const few = curve.lines.length <= 8;
  const legend = few
    ? el(
        "ul.legend",
        {},
        curve.lines.map((line, at) =>
          el(
            "li",
            {},
            el("i", { class: `line-${at % 8}`, "aria-hidden": "true" }),
            line.title,
            el("b", {}, ` ${figure(line.points.at(-1).y)}`),
          ),
        ),
      )
    : el("p.note", {}, plural(curve.lines.length, "line"));
  const figureElement = el(
    "figure",
    {},
    el(
      "figcaption",
      {},
      el("h2", {}, curve.name),
      el("span.aside", {}, curve.axis === "step" ? "over steps" : "one after the other"),
    ),
    legend,
    place,
    told,
  );
  let drawnWidth = 0;
  new ResizeObserver(() => {
    const width = Math.round(place.clientWidth);
    if (!width || width === drawnWidth) return;
    drawnWidth = width;
    place.replaceChildren(plotOf(app, curve, width, told));
  }).observe(place);
  return figureElement;
}

function plotOf(app, curve, width, told) {
  const height = Math.round(Math.min(300, Math.max(190, width * 0.5)));
  const points = curve.lines.flatMap((line) => line.points);
  const [across, up] = [
    scaleOf(
      points.map(({ x }) => x),
      MARGIN.left,
      width - MARGIN.right,
    ),
    scaleOf(
      points.map(({ y }) => y),
      height - MARGIN.bottom,
      MARGIN.top,
    ),
  ];
  const ticksUp = ticksOf(up, Math.max(3, Math.floor(height / 55)));
  const ticksAcross = ticksOf(
    across,
    Math.max(3, Math.floor(width / 100)),
    points.every(({ x }) => Number.isInteger(x)),
  );
  const cursor = drawn("circle", { r: 4.5, class: "cursor", visibility: "hidden" });
  const svg = drawn(
    "svg",
    {
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      role: "img",
      tabindex: "0",
      "aria-label": `${curve.name}: ${plural(points.length, "point")}. Arrow keys go through them, Enter opens the span.`,
    },
    ticksUp.map((tick) => [
      drawn("line", { x1: MARGIN.left, x2: width - MARGIN.right, y1: up.of(tick), y2: up.of(tick), class: "grid" }),
      drawn("text", { x: MARGIN.left - 8, y: up.of(tick) + 4, "text-anchor": "end" }, figure(tick)),
    ]),
    ticksAcross.map((tick) =>
      drawn("text", { x: across.of(tick), y: height - 6, "text-anchor": "middle" }, figure(tick)),
    ),
    curve.lines.map((line, at) => lineOf(line.points, at, across, up)),
    cursor,
  );
  let at = -1;
  const ordered = points.slice().sort((one, other) => one.x - other.x);
  const point = (place) => {
    at = place;
    const { x, y, row } = ordered[at];
    cursor.setAttribute("cx", across.of(x));
    cursor.setAttribute("cy", up.of(y));
    cursor.setAttribute("visibility", "visible");
    const calls = app.run.sums.calls[row];
    told.replaceChildren(
      visible(`${curve.axis} ${figure(x)}: ${figure(y)}`),
      " · ",
      link(app, row),
      visible(calls ? ` · ${plural(calls, "call")} behind it` : ""),
    );
  };
  const nearest = (event) => {
    const box = svg.getBoundingClientRect();
    const [mouseX, mouseY] = [event.clientX - box.left, event.clientY - box.top];
    let best = -1;
    let least = Infinity;
    ordered.forEach(({ x, y }, place) => {
      const distance = (across.of(x) - mouseX) ** 2 * 4 + (up.of(y) - mouseY) ** 2;
      if (distance < least) [best, least] = [place, distance];
    });
    if (best >= 0) point(best);
  };
  const open = () => at >= 0 && app.select(ordered[at].row, { open: true, show: true });
  svg.addEventListener("pointermove", nearest);
  svg.addEventListener("click", (event) => {
    nearest(event);
    if (!matchMedia("(pointer: coarse)").matches) open();
  });
  svg.addEventListener("keydown", (event) => {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (move && ordered.length) point(Math.max(0, Math.min(ordered.length - 1, at + move)));
    else if (event.key === "Enter") open();
    else return;
    event.preventDefault();
  });
  return svg;
}

function lineOf(points, number, across, up) {
  const kept = thinned(points).map(({ x, y }) => `${across.of(x).toFixed(1)},${up.of(y).toFixed(1)}`);
  const dots =
    points.length <= 40
      ? points.map(({ x, y }) =>
          drawn("circle", { cx: across.of(x), cy: up.of(y), r: 2.4, class: `dot line-${number % 8}` }),
        )
      : [];
  return [
    drawn("polyline", { points: kept.join(" "), class: `line line-${number % 8}${number >= 8 ? " dashed" : ""}` }),
    ...dots,
  ];
}

/** Keep the lowest and the highest point of each stretch: what the eye sees of many. */
function thinned(points) {
  if (points.length <= MOST_POINTS) return points;
  const stretch = Math.ceil((2 * points.length) / MOST_POINTS);
  const kept = [];
  for (let from = 0; from < points.length; from += stretch) {
    const part = points.slice(from, from + stretch);
    const low = part.reduce((one, other) => (other.y < one.y ? other : one));
    const high = part.reduce((one, other) => (other.y > one.y ? other : one));
    kept.push(...(low === high ? [low] : low.x <= high.x ? [low, high] : [high, low]));
  }
  return kept;
}

function scaleOf(values, from, to) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  return { low, high, of: (value) => from + ((value - low) / (high - low)) * (to - from) };
}

function ticksOf({ low, high }, wanted, areWhole = false) {
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const fitting = [1, 2, 2.5, 5, 10].map((part) => part * power).find((part) => part >= rough) ?? 10 * power;
  const step = areWhole ? Math.max(1, Math.ceil(fitting)) : fitting;
  const ticks = [];
  for (let tick = Math.ceil(low / step); tick * step <= high + step * 1e-9 && ticks.length < 50; tick++)
    ticks.push(tick * step);
  return ticks;
}
