"use strict";
// What judges say of an image, and models beside their base: who was right, who wins by what.

synpic.compare = JSON.parse(document.body.dataset.compare); // models, the base first, and rewards

// The base's nth image before the nth of the others, and so on.
synpic.besideBase = (row) => {
  const { models } = synpic.compare;
  const column = (image) => (models.includes(image.model) ? models.indexOf(image.model) : models.length);
  const nth = (image) => (typeof image.nth === "number" ? image.nth : Number.MAX_SAFE_INTEGER);
  return [...row.images].sort((a, b) => nth(a) - nth(b) || column(a) - column(b));
};

// The name of a column, above its image.
synpic.columnTitle = (image, page) => {
  const { make } = synpic;
  const { models } = synpic.compare;
  return make("div.above", {}, make("i.dot." + page.colour(image.model), { "aria-hidden": "true" }),
    make("bdi.model", { title: image.model }, image.model),
    image.model === models[0] && image.model !== "base" ? make("span.quiet", {}, "base") : null);
};

synpic.verdictOf = ({ correct, score }) => correct === true ? "right" : correct === false ? "wrong"
  : score === null ? "not judged" : "";

// Of each judge: right or wrong, the score where there is one, and why.
synpic.verdicts = (image) => {
  const { make } = synpic;
  const said = Object.entries(image.verdicts || {});
  if (!said.length || image.sha256 === null) return null;
  return make("ul.verdicts", { "aria-label": "Verdicts" }, said.map(([judge, verdict]) => {
    const { correct, score, reason } = verdict;
    const kind = correct === true ? ".right" : correct === false ? ".wrong" : "";
    const sign = correct === true ? "✓" : correct === false ? "✗" : "";
    return make("li" + kind, {},
      make("p", {}, sign ? make("span.sign", { "aria-hidden": "true" }, sign) : null,
        make("bdi.judge", { title: judge }, judge),
        make("strong", {}, synpic.verdictOf(verdict)),
        score === null ? null : make("span.number", {}, synpic.number(score))),
      reason ? make("p.reason", { dir: "auto" }, reason) : null);
  }));
};

// Rewards that give an image more, or less, than the base's image beside it.
synpic.winsOver = (row, image) => {
  const { make } = synpic;
  const { models, rewards } = synpic.compare;
  if (!models.length || image.model === models[0] || !models.includes(image.model)) return null;
  const base = row.images.find((one) => one.model === models[0] && one.nth === image.nth);
  if (!base || typeof image.nth !== "number") return null;
  const by = (sign) => rewards.filter((reward) => {
    const [ours, theirs] = [image.scores[reward], base.scores[reward]];
    return typeof ours === "number" && typeof theirs === "number" && Math.sign(ours - theirs) === sign;
  });
  const lines = [["wins by", by(1), "more"], ["loses by", by(-1), "less"], ["ties by", by(0), "as much"]]
    .filter(([, names]) => names.length);
  if (!lines.length) return null;
  return make("ul.wins", { "aria-label": "Against " + models[0] }, lines.map(([label, names, how]) =>
    make("li." + how.split(" ")[0], { title: "these rewards give it " + how + " than the base's image" },
      make("span.quiet", {}, label + " "),
      names.flatMap((name, at) => [at ? ", " : null, make("bdi", {}, name)]))));
};

// For the large view: verdicts and wins of one image, with its number where there are two.
synpic.evaluatedLine = (row, image, number) => {
  const found = [synpic.verdicts(image), synpic.winsOver(row, image)].filter(Boolean);
  if (!found.length) return [];
  return [synpic.make("div.evaluated", {},
    number === null ? null : synpic.make("strong", {}, number + ":"), ...found)];
};

// Of a prompt: which of base and other is right, of each judge and each model that is compared.
synpic.pairFacts = (row) => {
  const { models } = synpic.compare;
  const found = [];
  for (const name of Object.keys(row).filter((one) => one.startsWith("gained."))) {
    const key = name.slice("gained.".length);
    const model = models.slice(1).find((one) => key.endsWith("." + one));
    const counts = ["gained", "lost", "both", "none"].map((kind) => row[kind + "." + key]);
    if (model === undefined || counts.some((one) => one === null)) continue;
    const labels = ["only " + model + " right", "only " + models[0] + " right", "both right", "none right"];
    const total = counts.reduce((sum, one) => sum + one, 0);
    const there = labels.filter((_, at) => counts[at] > 0);
    const text = total === 1 ? there[0]
      : labels.map((label, at) => counts[at] + " " + label).filter((_, at) => counts[at] > 0).join(", ");
    const kind = counts[0] > counts[1] ? "good" : counts[0] < counts[1] ? "bad" : "";
    const judge = key.slice(0, -model.length - 1);
    found.push([models.length > 2 ? judge + ", " + model : judge, text, kind]); // of whom it speaks
  }
  return found;
};

// Of the chips of one group no two are asked for at once.
for (const group of document.querySelectorAll("[data-one-of]")) {
  group.addEventListener("change", (event) => {
    for (const one of group.querySelectorAll("input")) if (one !== event.target) one.checked = false;
  });
}
