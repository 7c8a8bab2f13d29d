// Search in all that was said: an index that is built once, piece by piece, while the page is used already.

const BLOCK_SIZE = 1 << 20;
const WORK = 8; // milliseconds: less than a frame

class Search {
  constructor(run) {
    this.run = run;
    this.known = new Map();
    this.blocks = [];
    this.texts = [];
    this.starts = [];
    this.length = 0;
    this.texted = 0;
    this.pairs = { row: [], text: [] };
    this.done = 0;
    this.names = run.words.name.map((name) => name.toLowerCase());
    this.models = run.words.model.map((name) => name.toLowerCase());
  }

  get isComplete() {
    return this.done >= this.run.pieces.length;
  }

  /** Index everything, with pauses in which the page can be used. */
  async build(onProgress) {
    let rest = performance.now() + WORK;
    for (; this.done < this.run.pieces.length; this.done++) {
      const lines = await this.run.linesOf(this.done);
      for (let at = 0; at < lines.length; at++) {
        if (performance.now() > rest) {
          await pause();
          rest = performance.now() + WORK;
        }
        this.add(this.run.pieces[this.done] + at, JSON.parse(lines[at]));
      }
      if (this.done % 16 === 15) onProgress(this.done / this.run.pieces.length);
    }
    this.closeBlock();
    this.known.clear();
    this.rows = Uint32Array.from(this.pairs.row);
    this.rowTexts = Uint32Array.from(this.pairs.text);
    this.pairs = null;
    onProgress(1);
  }

  /** A text that many spans share is kept once. */
  add(row, record) {
    for (const text of new Set(textsOf([record.attributes, record.error]))) {
      let number = this.known.get(text);
      if (number === undefined) {
        number = this.texted++;
        this.known.set(text, number);
        const low = text.toLowerCase();
        this.texts.push(low);
        this.starts.push(this.length);
        this.length += low.length + 1;
        if (this.length > BLOCK_SIZE) this.closeBlock();
      }
      this.pairs.row.push(row);
      this.pairs.text.push(number);
    }
  }

  closeBlock() {
    if (!this.texts.length) return;
    const first = this.texted - this.texts.length;
    this.blocks.push({ text: this.texts.join("\0"), starts: Uint32Array.from(this.starts), first });
    this.texts = [];
    this.starts = [];
    this.length = 0;
  }

  /** Give a flag for each row: whether it holds all words of the query. Words in quotes stay together. */
  find(query) {
    const words = Array.from(query.toLowerCase().matchAll(/"([^"]+)"|([^\s"]+)/g), (found) => found[1] ?? found[2]);
    if (!words.length) return null;
    const flags = this.findWord(words[0]);
    for (const word of words.slice(1)) {
      const more = this.findWord(word);
      for (let row = 0; row < flags.length; row++) flags[row] &= more[row];
    }
    return flags;
  }

  findWord(word) {
    const { run } = this;
    const flags = new Uint8Array(run.size);
    const mark = (column, words) => {
      const hits = words.map((one) => one.includes(word));
      if (hits.some(Boolean)) for (let row = 0; row < run.size; row++) if (hits[column[row]]) flags[row] = 1;
    };
    mark(run.name, this.names);
    mark(run.model, this.models);
    if (/^[0-9a-f]{8,}$/.test(word)) {
      for (let row = 0; row < run.size; row++)
        if (run.id[row].startsWith(word) || run.traceOf(row).startsWith(word)) flags[row] = 1;
    }
    const hit = new Uint8Array(this.texted);
    for (const block of this.blocks) markTexts(block, word, hit);
    const rows = this.rows ?? this.pairs.row;
    const texts = this.rowTexts ?? this.pairs.text;
    for (let at = 0; at < rows.length; at++) if (hit[texts[at]]) flags[rows[at]] = 1;
    return flags;
  }
}

function markTexts({ text, starts, first }, word, hit) {
  let at = 0;
  for (let found = text.indexOf(word); found >= 0;) {
    while (at + 1 < starts.length && starts[at + 1] <= found) at++;
    hit[first + at] = 1;
    if (at + 1 >= starts.length) return;
    found = text.indexOf(word, starts[at + 1]);
  }
}

function* textsOf(value) {
  if (typeof value === "string") yield value;
  else if (value !== null && typeof value === "object") for (const inner of Object.values(value)) yield* textsOf(inner);
}

/** Let the page draw and answer first. */
const pause = () =>
  new Promise((resolve) => {
    if (window.requestIdleCallback) requestIdleCallback(resolve, { timeout: 50 });
    else setTimeout(resolve);
  });
