"use strict";
// One image of a prompt: its thumbnail, rank, φ, and what each reward says of it.

synpic.altOf = (row, image) =>
  [row.prompt, image.model, image.rank ? "rank " + image.rank : "not ranked"]
    .filter((part) => part !== null && part !== "").join(", ");

// Best to worst, what is not ranked last; the base before the others; or by model, which is how they
// come.
synpic.ordered = (row, order) => {
  if (order === "base") return synpic.besideBase(row);
  if (order !== "rank") return row.images;
  const last = (image) => (image.rank === null ? Infinity : image.rank);
  return [...row.images].sort((a, b) => last(a) - last(b) || 0);
};

// ``first`` is true on the cards that fill a screen: their pictures are asked for at once, and those
// below when they come near.
synpic.figure = (row, image, first, page) => {
  const { make } = synpic;
  const alt = synpic.altOf(row, image);
  const picture = image.sha256 === null
    ? make("div.missing", { role: "img", "aria-label": alt + ": no image" },
        make("strong", {}, image.failure === "not made yet" ? "not made yet" : "failed"),
        image.failure === "not made yet" ? null : make("span", {}, image.failure))
    : make("button.pic", { type: "button", "data-image": image.candidate_id,
        "aria-label": "Large view: " + alt, click: () => page.large(row, image) },
        make("img", { loading: first ? "eager" : "lazy", fetchpriority: first ? "high" : "auto",
          decoding: "async", src: page.thumbnail(image), alt,
          width: image.width, height: image.height,
          error: (event) => event.target.closest("figure").classList.add("damaged") }));
  const badge = image.rank === null ? null
    : make("span.rank.rank-" + Math.min(image.rank, 4), { "aria-hidden": "true" }, image.rank);
  const signs = make("span.signs", {},
    image.flagged ? make("span.flag", { title: "flagged by a safety check" }, "flagged") : null,
    make("span.mark-signs", { "data-signs": image.candidate_id }));
  const beside = page.order === "base";
  return make("figure", { "data-candidate": image.candidate_id },
    beside ? synpic.columnTitle(image, page) : null,
    make("div.frame", {}, picture, badge, signs),
    make("figcaption", {},
      make("div.who", {},
        beside ? null : make("i.dot." + page.colour(image.model), { "aria-hidden": "true" }),
        beside ? null : make("bdi.model", { title: image.model }, image.model),
        image.preference === null ? null
          : make("span.phi", { title: "φ: the share of wins over the prompt's other images" },
              "φ " + synpic.number(image.preference))),
      image.preference === null ? null : synpic.bar(image.preference),
      synpic.verdicts(image),
      synpic.winsOver(row, image),
      synpic.scores(row, image, page),
      image.left_out ? make("div.small.why", {}, image.left_out) : null,
      make("div.small.quiet", {}, image.seed === null ? null : "seed " + image.seed)));
};

synpic.bar = (share) => {
  const fill = synpic.make("i");
  fill.style.width = 100 * Math.max(0, Math.min(1, share)) + "%";
  return synpic.make("div.phi-bar", { "aria-hidden": "true" }, fill);
};

// Each reward's score and place; a place far from the rank of φ is where rewards disagree. People
// and comparers give no score: of them, the pairs that the image wins, where they rank; and votes.
synpic.scores = (row, image, page) => {
  const { make } = synpic;
  const rewards = Object.keys(image.scores);
  const people = Object.keys(image.wins).filter((name) => !Object.hasOwn(image.scores, name));
  const votes = synpic.voteRows(row, image);
  if ((!rewards.length && !people.length && !votes.length) || image.sha256 === null) return null;
  const ranked = row.images.filter((one) => one.rank !== null).length;
  return make("table.scores", {},
    make("caption.hidden", {}, "Scores and places by reward"),
    make("tbody", {}, rewards.map((reward) => {
      const place = image.places[reward];
      const off = image.rank !== null && place !== null && ranked > 2
        ? place - image.rank : 0;
      const kind = place === null ? "" : place === 1 ? ".first" : off >= 2 ? ".below"
        : off <= -2 ? ".above" : "";
      return make("tr", {},
        make("th", { scope: "row", title: reward }, make("bdi", {}, reward)),
        make("td", {}, synpic.number(image.scores[reward])),
        make("td", {}, place === null ? "–" : make("span.place" + kind,
          { title: place + ". by " + reward }, place)));
    }), people.map((name) => make("tr", {},
      make("th", { scope: "row", title: name }, make("bdi", {}, name)),
      make("td", { colspan: "2", title: "pairs that it wins, as " + name + " compares them" },
        image.wins[name] === null ? "–" : image.wins[name] + " of " + (ranked - 1) + " pairs"))),
    votes));
};
