// Elements of the page. Whatever text goes in comes out as text: nothing here or elsewhere reads markup.

/** Make an element: `el("button.quiet", { type: "button", onclick: ... }, "Close")`. */
function el(kind, properties = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  const made = document.createElement(tag);
  if (classes.length) made.className = classes.join(" ");
  return filled(made, properties, children);
}

/** Make an element of a drawing. */
function drawn(tag, properties = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);
}

function filled(made, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, length] of Object.entries(value)) made.style.setProperty(key, length);
    else made.setAttribute(name, value === true ? "" : visible(value));
  }
  made.append(
    ...children
      .flat(Infinity)
      .filter((child) => child !== null && child !== undefined && child !== false)
      .map(shown),
  );
  return made;
}

const shown = (child) => (child instanceof Node ? child : visible(child));

const button = (label, onclick, properties = {}) => el("button", { type: "button", onclick, ...properties }, label);

const empty = (element) => element.replaceChildren();
