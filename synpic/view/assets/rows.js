"use strict";
// A prompt: its text, what is special about it, its marks, and its images side by side.

const screenful = 2; // cards
const mostBeside = 6; // columns

synpic.card = (row, page, at) => {
  const { make } = synpic;
  const images = synpic.ordered(row, page.order);
  const id = "prompt-" + row.prompt_id;
  return make("article.card", { id, "data-prompt": row.prompt_id, tabindex: "-1",
    "aria-labelledby": id + "-text" },
    make("header", {},
      make("h2", { id: id + "-text", dir: "auto" },
        row.prompt === "" ? make("em", {}, "(an empty prompt)") : row.prompt),
      make("div.actions", {},
        page.marks ? synpic.markButtons("prompts", row.prompt_id, "the prompt") : null,
        make("a.plain", { href: "#prompt=" + row.prompt_id, title: "Link to this prompt" }, "Link"),
        make("button.plain", { type: "button", click: () => synpic.showJson(row) }, "JSON"))),
    make("p.remember", { "data-note": row.prompt_id, hidden: true }),
    synpic.facts(row, page),
    synpic.images(images, page, (image) => synpic.figure(row, image, at < screenful, page)));
};

// Where models are beside their base, as many columns as models, so that each has its own.
synpic.images = (images, page, figure) => {
  const columns = page.order === "base" ? synpic.compare.models.length : 0;
  const beside = columns > 0 && columns <= mostBeside;
  const found = synpic.make(beside ? "div.images.beside" : "div.images", { "data-count": images.length },
    images.map(figure));
  if (beside) found.style.setProperty("--columns", columns);
  return found;
};

// What the prompt can be found by, each a button that filters by it.
synpic.facts = (row, page) => {
  const { make } = synpic;
  const fact = (label, value, kind, title) =>
    make("li" + (kind ? "." + kind : ""), { title }, make("span.quiet", {}, label + " "), value);
  const found = [];
  if (typeof row.agreement === "number") {
    const kind = row.agreement < 0 ? "bad" : row.agreement < 0.4 ? "fair" : "good";
    found.push(fact("agreement", synpic.number(row.agreement), kind,
      "mean Kendall τ-b over pairs of rewards: 1 the same order, −1 the opposite"));
  }
  if (typeof row.margin === "number") {
    found.push(fact("margin", synpic.number(row.margin), "", "φ of the first less that of the last"));
  }
  for (const [label, value, against] of synpic.peopleFacts(row)) {
    found.push(fact(label, value, against ? "bad" : "good", "pairs of which φ of the rewards prefers "
      + "the image that people do not; labels that rank take no part in this φ"));
  }
  for (const [judge, text, kind] of synpic.pairFacts(row)) found.push(fact(judge, text, kind));
  if (row.tied) found.push(fact("tied", String(row.tied), "fair", "images that share their rank"));
  if (row.flagged) found.push(fact("flagged", String(row.flagged), "bad"));
  if (row.failed) found.push(fact("failed", String(row.failed), "bad"));
  if (row.released === false) found.push(fact("", "cut from the release", "fair",
    "a rule of [records] leaves this prompt out"));
  if (page.manySplits) found.push(fact("split", row.split));
  for (const [name, value] of Object.entries(row.meta)) {
    if (value === null || value === "") continue;
    const text = typeof value === "string" ? value : synpic.json(value);
    const shown = text.length > 60 ? text.slice(0, 60) + "…" : text;
    const plain = typeof value !== "object";
    found.push(make("li", {}, plain
      ? make("button.fact", { type: "button", title: "Only prompts with this",
          click: () => page.filter({ ["meta_" + name]: String(value) }) },
          make("span.quiet", {}, make("bdi", {}, name), " "), make("bdi", {}, shown))
      : [make("span.quiet", {}, make("bdi", {}, name), " "), make("bdi", {}, shown)]));
  }
  return make("ul.facts", { "aria-label": "About this prompt" }, found);
};

synpic.showJson = (row) => {
  const dialog = document.getElementById("json");
  dialog.querySelector("pre").textContent = synpic.json(row);
  dialog.showModal();
};
