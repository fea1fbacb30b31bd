"use strict";
// Charts beside the rows. Each bar and cell is a button that filters or sorts by it.

synpic.drawCharts = (found, page) => {
  const { make } = synpic;
  const side = document.getElementById("charts");
  side.replaceChildren(
    ...[synpic.modelChart(found.models, page), synpic.agreementChart(found.agreement, page),
      ...found.histograms.map((one) => synpic.histogram(one, page))].filter(Boolean));
  if (!side.childElementCount) side.append(make("p.quiet", {}, "No charts yet: nothing is scored."));
};

synpic.modelChart = (models, page) => {
  const { make } = synpic;
  if (!models.length) return null;
  const most = Math.max(0.01, ...models.map((one) => one.first || 0));
  return make("section.chart", {},
    make("h3", {}, "First of its prompt"),
    make("ul.bars", {}, models.map((one) => {
      const fill = make("i.fill." + page.colour(one.model));
      fill.style.width = (100 * (one.first || 0)) / most + "%";
      const share = one.first === null ? "–" : Math.round(100 * one.first) + " %";
      return make("li", {}, make("button", { type: "button",
        "aria-label": "Prompts that " + one.model + " wins: " + share,
        "aria-pressed": String(page.query.get("winner") === one.model),
        click: () => page.filter({ winner: page.query.get("winner") === one.model ? "" : one.model }) },
        make("bdi.name", {}, one.model), make("span.track", {}, fill), make("span.value", {}, share)));
    })));
};

synpic.agreementChart = (pairs, page) => {
  const { make } = synpic;
  if (!pairs.length) return null;
  const rewards = [...new Set(pairs.flatMap((pair) => [pair.a, pair.b]))];
  const short = synpic.shortNames(rewards);
  const of = new Map(pairs.map((pair) => [pair.a + "\n" + pair.b, pair]));
  const cell = (a, b) => {
    const pair = of.get(a + "\n" + b) || of.get(b + "\n" + a);
    if (a === b || !pair) return make("td", {});
    const button = make("button.tau", { type: "button",
      title: a + " and " + b + ": " + (pair.tau === null
        ? "no τ-b, since no prompt has every pair compared, or one tells no images apart"
        : "the prompts on which they disagree most"),
      "aria-label": a + " and " + b + ", τ " + synpic.number(pair.tau),
      click: () => page.filter({ sort: "tau." + pair.a + "." + pair.b, order: "asc" }) },
      synpic.number(pair.tau));
    button.style.setProperty("--tau", String(Math.round(100 * Math.abs(pair.tau || 0))) + "%");
    button.classList.toggle("against", pair.tau < 0);
    return make("td", {}, button);
  };
  return make("section.chart", {},
    make("h3", {}, "Agreement of rewards ", make("small.quiet", {}, "mean τ-b")),
    make("div.scroll", {}, make("table.matrix", {},
      make("tbody", {}, rewards.slice(1).map((b, at) => make("tr", {},
        make("th", { scope: "row", title: b }, make("bdi", {}, short(b))),
        rewards.slice(0, at + 1).map((a) => cell(a, b))))),
      make("tfoot", {}, make("tr", {}, make("td", {}),
        rewards.slice(0, -1).map((a) => make("th", { scope: "col", title: a }, make("bdi", {}, short(a)))))))));
};

// Names in little room: without the words that all of them begin with.
synpic.shortNames = (names) => {
  const words = names.map((name) => name.split("_"));
  let same = 0;
  while (words.every((one) => one.length > same + 1 && one[same] === words[0][same])) same += 1;
  return (name) => name.split("_").slice(same).join("_");
};

synpic.histogram = (one, page) => {
  const { make } = synpic;
  const most = Math.max(1, ...one.counts);
  const title = { agreement: "Agreement of rewards, by prompt", margin: "Margin of φ",
    length: "Length of the prompt" }[one.name] || one.name.replace(/^score_/, "");
  const bounds = (at) => [synpic.number(one.edges[at]), synpic.number(one.edges[at + 1])];
  return make("section.chart", {},
    make("h3", {}, make("bdi", {}, title)),
    make("div.bins", {}, one.counts.map((count, at) => {
      const [low, high] = bounds(at);
      const bar = make("i");
      bar.style.height = (count ? Math.max(3, (100 * count) / most) : 0) + "%";
      return make("button", { type: "button", title: low + " to " + high + ": " + count,
        "aria-label": title + " from " + low + " to " + high + ": " + count, disabled: count === 0,
        click: () => page.filter({ [one.name]: one.edges[at] + ".." + one.edges[at + 1] }) }, bar);
    })),
    make("div.axis", {}, make("span", {}, synpic.number(one.edges[0])),
      make("span", {}, synpic.number(one.edges[one.edges.length - 1]))));
};
