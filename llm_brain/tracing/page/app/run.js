// The run: its table of spans, the tree that they make, and what was said in each.

/** Open a compressed element of the page. */
async function unpacked(element) {
  const letters = element.textContent.trim();
  const bytes = Uint8Array.fromBase64
    ? Uint8Array.fromBase64(letters)
    : Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

/** The pieces stand below the script: the first look does not wait for them. */
const wholePage = new Promise((resolve) => {
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", resolve);
  else resolve();
});

class Run {
  constructor(table) {
    Object.assign(this, table);
    this.size = table.id.length;
    this.start = Float64Array.from(table.start);
    this.duration = Float64Array.from(table.duration);
    this.parent = Int32Array.from(table.parent);
    const word = (column) => {
      const words = table.words[column] ?? [];
      return (row) => words[table[column][row]] ?? "";
    };
    this.nameOf = word("name");
    this.kindOf = word("kind");
    this.modelOf = word("model");
    this.errorOf = word("error");
    this.traceOf = word("trace");
    this.trialOf = word("trial");
    this.words = { name: [], kind: [], function: [], model: [], ...table.words };
    this.plant();
    this.inherit();
    this.addUp();
  }

  /** Sort each span's children by their beginning, and all spans in the order of the tree. */
  plant() {
    const { size, parent, start } = this;
    const byStart = Uint32Array.from({ length: size }, (_, row) => row).sort(
      (one, other) => start[one] - start[other] || one - other,
    );
    this.cutLoops();
    this.firstChild = new Int32Array(size + 2);
    for (let row = 0; row < size; row++) this.firstChild[parent[row] + 2]++;
    for (let at = 1; at < size + 2; at++) this.firstChild[at] += this.firstChild[at - 1];
    const next = this.firstChild.slice();
    this.kin = new Uint32Array(size);
    for (const row of byStart) this.kin[next[parent[row] + 1]++] = row;
    this.roots = this.children(-1);

    this.order = new Uint32Array(size);
    this.place = new Uint32Array(size);
    this.depth = new Uint16Array(size);
    const waiting = Array.from(this.roots).reverse();
    for (let at = 0; waiting.length; at++) {
      const row = waiting.pop();
      this.order[at] = row;
      this.place[row] = at;
      if (parent[row] >= 0) this.depth[row] = Math.min(65535, this.depth[parent[row]] + 1);
      const children = this.children(row);
      for (let child = children.length - 1; child >= 0; child--) waiting.push(children[child]);
    }
  }

  /** A file that was written by somebody else may call a span its own ancestor. */
  cutLoops() {
    const { size, parent } = this;
    const seen = new Int32Array(size).fill(-1);
    for (let from = 0; from < size; from++) {
      let row = from;
      let before = -1;
      while (row >= 0 && seen[row] < 0) {
        seen[row] = from;
        before = row;
        row = parent[row];
      }
      if (row >= 0 && seen[row] === from && before >= 0) parent[before] = -1;
    }
  }

  children(row) {
    return this.kin.subarray(this.firstChild[row + 1], this.firstChild[row + 2]);
  }

  /** What a span does not say itself, the span around it says: its function and its step. */
  inherit() {
    const { size, parent, order } = this;
    this.owner = new Int32Array(size).fill(-1);
    this.functionOf = new Int32Array(size).fill(-1);
    this.stepOf = new Float64Array(size).fill(NaN);
    this.root = new Uint32Array(size);
    for (const row of order) {
      const above = parent[row];
      const own = this.function[row];
      this.owner[row] = own >= 0 ? row : above >= 0 ? this.owner[above] : -1;
      this.functionOf[row] = own >= 0 ? own : above >= 0 ? this.functionOf[above] : -1;
      this.stepOf[row] = this.step[row] ?? (above >= 0 ? this.stepOf[above] : NaN);
      this.root[row] = above >= 0 ? this.root[above] : row;
    }
  }

  /** Add tokens, cost and calls up from the calls to every span around them. */
  addUp() {
    const { size, parent, order } = this;
    const call = this.words.kind.indexOf("call");
    this.isCall = Uint8Array.from(this.kind, (kind) => Number(kind === call && call >= 0));
    this.sums = {
      calls: new Float64Array(size),
      tokens: new Float64Array(size),
      cost: new Float64Array(size),
      errors: new Float64Array(size),
    };
    this.descendants = new Uint32Array(size);
    this.end = this.start.map((start, row) => start + this.duration[row]);
    for (let at = size - 1; at >= 0; at--) {
      const row = order[at];
      const { calls, tokens, cost, errors } = this.sums;
      if (this.isCall[row]) {
        calls[row] += 1;
        cost[row] += this.cost[row] ?? 0;
        if (!this.cached[row]) tokens[row] += (this.input[row] ?? 0) + (this.output[row] ?? 0);
      }
      errors[row] += this.beganToFail(row);
      if (parent[row] >= 0) {
        for (const sum of Object.values(this.sums)) sum[parent[row]] += sum[row];
        this.end[parent[row]] = Math.max(this.end[parent[row]], this.end[row]);
        this.descendants[parent[row]] += this.descendants[row] + 1;
      }
    }
  }

  totals() {
    const found = {
      calls: 0,
      cached: 0,
      input: 0,
      output: 0,
      cost: 0,
      priced: false,
      errors: 0,
      unfinished: this.size - this.recorded,
    };
    let end = 0;
    for (let row = 0; row < this.size; row++) {
      end = Math.max(end, this.start[row] + this.duration[row]);
      found.errors += this.beganToFail(row);
      if (!this.isCall[row]) continue;
      found.calls++;
      found.cached += this.cached[row];
      found.priced ||= this.cost[row] !== null;
      found.cost += this.cost[row] ?? 0;
      if (!this.cached[row]) {
        found.input += this.input[row] ?? 0;
        found.output += this.output[row] ?? 0;
      }
    }
    return { ...found, wall: end };
  }

  /** Whether an error began here: what is around a failed call fails with it, and a request that failed may be asked again. */
  beganToFail(row) {
    const hasFailed = (one) => this.failed[one] === 1 && this.kindOf(one) !== "attempt";
    return hasFailed(row) && !this.children(row).some(hasFailed);
  }

  ancestors(row) {
    const above = [];
    for (let at = this.parent[row]; at >= 0; at = this.parent[at]) above.push(at);
    return above.reverse();
  }

  isInside(row, outer) {
    const at = this.place[row] - this.place[outer];
    return at >= 0 && at <= this.descendants[outer];
  }

  /** The calls that one call of a function made, the first attempt first; only itself for a call that no function made. */
  attemptsOf(row) {
    const owner = this.owner[row];
    if (owner < 0) return this.isCall[row] ? [row] : [];
    const inside = this.order.subarray(this.place[owner], this.place[owner] + this.descendants[owner] + 1);
    return Array.from(inside).filter((one) => this.isCall[one] && this.owner[one] === owner);
  }

  isUnfinished(row) {
    return row >= this.recorded;
  }

  statusOf(row) {
    return this.isUnfinished(row) ? "unfinished" : this.failed[row] ? "error" : "ok";
  }

  /** All that was recorded of a span. */
  async record(row) {
    if (this.isUnfinished(row)) return { attributes: {}, error: null };
    let piece = this.pieces.length - 1;
    while (this.pieces[piece] > row) piece--;
    if (this.opened?.piece !== piece) this.opened = { piece, lines: this.linesOf(piece) };
    return JSON.parse((await this.opened.lines)[row - this.pieces[piece]]);
  }

  async linesOf(piece) {
    await wholePage;
    return (await unpacked(document.getElementsByClassName("piece")[piece])).split("\n");
  }
}
