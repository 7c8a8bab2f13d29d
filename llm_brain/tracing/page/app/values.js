// Values and texts of a span: messages with their roles, JSON set in lines, probabilities as bars, long texts folded.

const LONG_TEXT = 1600;
const MANY_LINES = 24;

/** Show a text; of a long one the beginning, with a button for all of it. */
function textOf(text, kind = "pre.text") {
  const lines = text.split("\n", MANY_LINES + 1);
  if (text.length <= LONG_TEXT && lines.length <= MANY_LINES) return el(kind, {}, text);
  const head = lines
    .slice(0, MANY_LINES - 4)
    .join("\n")
    .slice(0, LONG_TEXT - 400);
  const body = el(kind, {}, `${head} …`);
  const size = `all ${count(text.length)} characters`;
  const more = button(
    `Show ${size}`,
    () => {
      const open = more.getAttribute("aria-expanded") === "false";
      body.replaceChildren(visible(open ? text : `${head} …`));
      more.replaceChildren(open ? "Show less" : `Show ${size}`);
      more.setAttribute("aria-expanded", String(open));
    },
    { class: "fold", "aria-expanded": "false" },
  );
  return el("div.folded", {}, body, more);
}

/** Show what a model said: set in lines where it is JSON. */
function replyOf(text) {
  const value = readJson(text);
  if (value === undefined) return textOf(text);
  const pretty = valueOf(value);
  const raw = textOf(text);
  const swap = button(
    "as it came",
    () => {
      const isRaw = raw.isConnected;
      (isRaw ? raw : pretty).replaceWith(isRaw ? pretty : raw);
      swap.replaceChildren(isRaw ? "as it came" : "as JSON");
    },
    { class: "quiet" },
  );
  return el("div.reply", {}, pretty, swap);
}

function readJson(text) {
  const trimmed = text.trim();
  if (!/^[[{]/.test(trimmed)) return undefined;
  try {
    return JSON.parse(trimmed);
  } catch {
    return undefined;
  }
}

function valueOf(value) {
  if (typeof value === "string") return textOf(value);
  const text = JSON.stringify(value, null, 2);
  return text.length > LONG_TEXT * 4 ? textOf(text, "pre.text.json") : el("pre.text.json", {}, coloured(text));
}

const JSON_PARTS = /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

function coloured(text) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(JSON_PARTS)) {
    parts.push(text.slice(end, found.index));
    if (found[2]) parts.push(el("span.key", {}, found[1]), found[2]);
    else parts.push(el(found[1] ? "span.string" : "span.number", {}, found[0]));
    end = found.index + found[0].length;
  }
  return [...parts, text.slice(end)];
}

/** Read messages as the conventions have them: a role and parts. Whatever is something else is shown as it is. */
function messagesOf(value) {
  if (!Array.isArray(value)) return value === undefined ? [] : [{ role: "", text: asText(value) }];
  return value.map((message) => {
    if (message === null || typeof message !== "object") return { role: "", text: asText(message) };
    const parts = Array.isArray(message.parts) ? message.parts : [message.content ?? message];
    const texts = parts.map((part) => (typeof part?.content === "string" ? part.content : asText(part)));
    return { role: asText(message.role ?? ""), text: texts.join("\n"), finish: message.finish_reason };
  });
}

const asText = (value) => (typeof value === "string" ? value : (JSON.stringify(value, null, 2) ?? ""));

function messageList(messages, isReply) {
  return el(
    "div.messages",
    {},
    messages.map(({ role, text, finish }) =>
      el(
        "article.message",
        {},
        el(
          "h4",
          {},
          role || "message",
          finish && finish !== "stop" ? el("span.tag", {}, `ended: ${asText(finish)}`) : null,
        ),
        isReply ? replyOf(text) : textOf(text),
      ),
    ),
  );
}

/** Show probabilities, the largest first. */
function barsOf(probabilities) {
  const pairs = Object.entries(probabilities)
    .filter(([, share]) => typeof share === "number")
    .sort((one, other) => other[1] - one[1]);
  return el(
    "dl.bars",
    {},
    pairs
      .slice(0, 40)
      .map(([option, share]) =>
        el(
          "div",
          {},
          el("dt", {}, option),
          el(
            "dd.track",
            { "aria-hidden": "true" },
            el("span.fill", { style: { width: `${Math.max(0, Math.min(1, share)) * 100}%` } }),
          ),
          el("dd.share", {}, share >= 0.001 || share === 0 ? `${(share * 100).toFixed(1)}%` : "< 0.1%"),
        ),
      ),
  );
}

function tableOf(heads, rows, properties = {}) {
  return el(
    "div.scroll",
    { tabindex: "0", role: "region", "aria-label": properties.label ?? "Table" },
    el(
      "table",
      {},
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          heads.map((head) => el("th", { scope: "col" }, head)),
        ),
      ),
      el(
        "tbody",
        {},
        rows.map((cells) =>
          el(
            "tr",
            {},
            cells.map((cell) =>
              el(
                `td${typeof cell === "number" ? ".number" : ""}`,
                {},
                typeof cell === "number" ? figure(cell) : (cell ?? "–"),
              ),
            ),
          ),
        ),
      ),
    ),
  );
}

const section = (title, ...children) => el("section", {}, el("h3", {}, title), ...children);
