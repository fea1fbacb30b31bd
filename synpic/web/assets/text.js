"use strict";
// Text that others wrote, and elements that hold it. All of the page's text passes through here: it
// is put in as text, never as markup, and characters that cannot be seen are written out.
//
// The files are scripts and no modules: browsers load no module from a page that is a file.
const synpic = {};

// Of the kinds control, format, surrogate and separator, but for joiners, on which the shape of
// letters and emojis depends, and for marks of the kind format that have a shape.
const hidden = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const kept = /[\u200c\u200d\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2]/u;

synpic.visible = (value) =>
  String(value).replace(hidden, (one) => {
    if (kept.test(one)) return one;
    if (one === "\n") return "\\n";
    if (one === "\t") return "\\t";
    const code = one.codePointAt(0);
    if (code < 256) return "\\x" + code.toString(16).padStart(2, "0");
    if (code < 65536) return "\\u" + code.toString(16).padStart(4, "0");
    return "\\U" + code.toString(16).padStart(8, "0");
  });

// JSON that is safe to look at: what cannot be seen is written as JSON's own escapes.
synpic.json = (value) =>
  JSON.stringify(value, null, 2).replace(hidden, (one) =>
    one === "\n" || kept.test(one)
      ? one
      : [...Array(one.length).keys()]
          .map((at) => "\\u" + one.charCodeAt(at).toString(16).padStart(4, "0"))
          .join(""));

// An element: its name and classes ("p.quiet.small"), attributes, and children, which are elements
// or text. An attribute that is null or false is left out; a function listens.
synpic.make = (what, attributes = {}, ...children) => {
  const [name, ...classes] = what.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === false || value === undefined) continue;
    if (typeof value === "function") element.addEventListener(key, value);
    else element.setAttribute(key, value === true ? "" : synpic.visible(value));
  }
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : synpic.visible(child));
  }
  return element;
};

synpic.number = (value, digits = 2) => {
  if (value === null || value === undefined) return "–";
  const shown = Math.abs(value) >= 1000 ? value.toFixed(0) : value.toFixed(digits);
  return Number(shown) === 0 ? shown.replace("-", "") : shown.replace("-", "−");
};

synpic.count = (value, noun) =>
  value.toLocaleString("en") + " " + noun + (value === 1 ? "" : "s");

// Names that mean the same in any place: which of the page's colours a model has.
synpic.colourOf = (models) => {
  const places = new Map([...models].sort().map((model, at) => [model, at % 10]));
  return (model) => "model-" + (places.has(model) ? places.get(model) : 0);
};
