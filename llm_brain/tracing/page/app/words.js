// Numbers, times and texts as people read them.

const UNSEEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** Write out what a reader would not see: control characters and the marks that reverse text. */
function visible(text) {
  const shown = String(text).replaceAll("\r\n", "\n");
  return shown
    .toWellFormed()
    .replace(UNSEEN, (mark) => `⟨${mark.codePointAt(0).toString(16).toUpperCase().padStart(2, "0")}⟩`);
}

const wholeNumbers = new Intl.NumberFormat("en");
const shortNumbers = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const fractions = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const shares = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 0 });
const dates = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

const count = (number) => wholeNumbers.format(number);
const short = (number) => (number < 10_000 ? count(number) : shortNumbers.format(number));

function figure(number) {
  const size = Math.abs(number);
  return size !== 0 && (size < 1e-4 || size >= 1e9) ? number.toExponential(2) : fractions.format(number);
}

const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

function duration(microseconds) {
  if (microseconds < 1e3) return `${Math.round(microseconds)} µs`;
  if (microseconds < 1e6) return `${digits(microseconds / 1e3)} ms`;
  if (microseconds < 60e6) return `${digits(microseconds / 1e6)} s`;
  const seconds = Math.round(microseconds / 1e6);
  const padded = (number) => String(number).padStart(2, "0");
  return seconds < 3600
    ? `${Math.floor(seconds / 60)} m ${padded(seconds % 60)} s`
    : `${Math.floor(seconds / 3600)} h ${padded(Math.floor((seconds % 3600) / 60))} m`;
}

const digits = (number) =>
  number < 10 ? number.toFixed(2) : number < 100 ? number.toFixed(1) : String(Math.round(number));

function money(dollars) {
  if (dollars === 0) return "$0";
  return dollars >= 1
    ? `$${wholeNumbers.format(Math.round(dollars * 100) / 100)}`
    : `$${dollars.toPrecision(2).replace(/e.*/, "")}`;
}
