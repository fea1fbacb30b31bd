"use strict";
// Pairs of a prompt's images that people compared, with the share of the votes.

// A question as it is named beside others; "" for what most sets have alone.
synpic.questionOf = (pair) => [pair.question === "overall" ? "" : pair.question,
  pair.labels === "ingested" ? "" : "(" + pair.labels + ")"].filter(Boolean).join(" ");

// The pairs of an image by question: the other image, its own share, whether people prefer it.
synpic.votesOf = (row, image) => {
  const found = new Map();
  for (const pair of row.votes || []) {
    if (![pair.one, pair.other].includes(image.candidate_id)) continue;
    const first = pair.one === image.candidate_id;
    const name = synpic.questionOf(pair);
    if (!found.has(name)) found.set(name, []);
    found.get(name).push({
      other: first ? pair.other : pair.one,
      share: pair.share === null ? null : first ? pair.share : 1 - pair.share,
      votes: pair.votes,
      won: pair.people === image.candidate_id,
      tied: pair.people === null,
      right: pair.right,
    });
  }
  return found;
};

// "2 of 3 votes" where it is known how many there are, else "67 % of the votes"; of labels that say
// only which image was chosen, that.
synpic.votesInWords = (pair) => {
  const plain = pair.votes === null && (pair.share === null || pair.share === 0 || pair.share === 1);
  if (plain) return pair.tied ? "tied" : pair.won ? "preferred" : "not preferred";
  if (pair.votes === null) return Math.round(100 * pair.share) + " % of the votes";
  const won = pair.share * pair.votes;
  const half = Math.round(2 * won) / 2; // a vote for neither is half a vote for each
  return (Math.abs(won - half) < 0.01 ? half : won.toFixed(1)) + " of "
    + synpic.count(pair.votes, "vote");
};

synpic.againstPhi = (pair) => pair.right === 0 ? "φ prefers the other"
  : pair.right === 0.5 ? "φ prefers neither" : "";

// Of one image: how many votes, and pairs, it won; rows of the table of scores.
synpic.voteRows = (row, image) => [...synpic.votesOf(row, image)].map(([name, pairs]) => {
  const { make } = synpic;
  const known = pairs.every((pair) => pair.votes !== null && pair.share !== null);
  const total = pairs.reduce((sum, pair) => sum + (pair.votes || 0), 0);
  const won = pairs.reduce((sum, pair) => sum + (pair.votes || 0) * (pair.share || 0), 0);
  const pairsWon = pairs.filter((pair) => pair.won).length;
  const text = known ? synpic.votesInWords({ votes: total, share: total ? won / total : 0 })
    : pairsWon + " of " + synpic.count(pairs.length, "pair");
  const title = "votes of people for it, of those on its pairs; it wins " + pairsWon + " of "
    + synpic.count(pairs.length, "pair");
  return make("tr.votes", {}, make("th", { scope: "row", title }, make("bdi", {}, "votes " + name)),
    make("td", { colspan: "2", title }, text));
});

// Of a prompt: how many judged pairs people and φ decide differently.
synpic.peopleFacts = (row) => {
  const of = new Map();
  for (const pair of row.votes || []) {
    if (pair.right === null) continue;
    const name = synpic.questionOf(pair);
    const sum = of.get(name) || { against: 0, judged: 0 };
    sum.against += pair.right === 0;
    sum.judged += 1;
    of.set(name, sum);
  }
  return [...of].map(([name, { against, judged }]) => [
    "people against φ" + (name && ", " + name), against + " of " + synpic.count(judged, "pair"), against]);
};

// For the large view: of `one`, beside `other` alone where that is given.
synpic.voteLines = (row, one, other, numberOf) => {
  const { make } = synpic;
  return [...synpic.votesOf(row, one)].flatMap(([name, pairs]) => pairs
    .filter((pair) => !other || pair.other === other.candidate_id)
    .filter((pair) => numberOf(pair.other) > 0)
    .map((pair) => make("li" + (pair.right === 0 ? ".against" : ""), {},
      make("bdi.quiet", {}, "votes " + name), " against " + numberOf(pair.other) + ": ",
      synpic.votesInWords(pair), synpic.againstPhi(pair) && " (" + synpic.againstPhi(pair) + ")")));
};
