"use strict";
// Which prompts a page without a server shows, in which order, and its charts. Answered from the
// columns in data/index.js as synpic/view/query.py and synpic/view/charts.py answer a served page.

const MARKED = ["any", "none", "drop", "keep", "star", "note"];
const MOST_OF_A_PAGE = 200;
const BINS = 24;

synpic.problem = (message, hint) => new Error(message + (hint ? " (" + hint + ")" : ""));

const oneOf = (name, value, known) => {
  if (!known.includes(value)) throw synpic.problem(name + "=" + value + ": unknown", "one of: " + known.join(", "));
  return value;
};
const whole = (name, value, most) => {
  if (!/^[0-9]{1,9}$/.test(value) || Number(value) < 1 || Number(value) > most) {
    throw synpic.problem(name + "=" + value + ": not a number from 1 to " + most.toLocaleString("en"));
  }
  return Number(value);
};
const asBoolean = (name, value) => ["true", "1"].includes(oneOf(name, value, ["true", "false", "1", "0"]));

// "0.2..0.8", "3..", "..5" or "3" → whether a number is in it; null is not.
const asRange = (name, value) => {
  const cut = value.indexOf("..");
  const ends = (cut < 0 ? [value, value] : [value.slice(0, cut), value.slice(cut + 2)])
    .map((end) => (end.trim() === "" ? null : Number(end)));
  if (ends.some((end) => end !== null && !Number.isFinite(end)) || ends.every((end) => end === null)) {
    throw synpic.problem(name + "=" + value + ": no range of numbers", "write 0.2..0.8, 3.., ..5 or 3");
  }
  const [low, high] = ends;
  return (one) => one !== null && (low === null || one >= low) && (high === null || one <= high);
};

// The parameters of an address → what is asked for; what is unknown is named.
synpic.parseQuery = (asked, data) => {
  const query = { text: "", regex: false, sort: "", descending: false, filters: [], marked: "", page: 1, size: 20 };
  for (const [name, value] of new URLSearchParams(asked)) {
    if (value === "") continue;
    const kind = Object.hasOwn(data.kinds, name) ? data.kinds[name] : null;
    if (name === "q") query.text = value;
    else if (name === "regex") query.regex = asBoolean(name, value);
    else if (name === "sort") {
      if (!Object.hasOwn(data.kinds, value)) {
        throw synpic.problem("sort=" + value + ": no such column", "there are: " + Object.keys(data.kinds).join(", "));
      }
      query.sort = value;
    } else if (name === "order") query.descending = oneOf(name, value, ["asc", "desc"]) === "desc";
    else if (name === "marked") query.marked = oneOf(name, value, MARKED);
    else if (name === "page") query.page = whole(name, value, 10 ** 9);
    else if (name === "size") query.size = whole(name, value, MOST_OF_A_PAGE);
    else if (Object.hasOwn(data.scores, name)) query.filters.push({ score: name, holds: asRange(name, value) });
    else if (kind === "number") query.filters.push({ column: name, holds: asRange(name, value) });
    else if (kind === "boolean") {
      const wanted = asBoolean(name, value);
      query.filters.push({ column: name, holds: (one) => one === wanted });
    } else if (kind === "text") query.filters.push({ column: name, holds: (one) => one === value });
    else if (kind !== null) throw synpic.problem(name + ": a column of lists or the like is no filter");
    else throw synpic.problem(name + ": no such filter", "there are: " + ["q", "sort", ...Object.keys(data.kinds), ...Object.keys(data.scores)].join(", "));
  }
  if (query.regex) {
    try {
      query.pattern = new RegExp(query.text, "iu");
    } catch (error) {
      throw synpic.problem("'" + query.text + "' is no regular expression: " + error.message,
        "put a \\ before a bracket or dot that is meant as it is");
    }
  }
  return query;
};

// Numbers of the prompts that `query` keeps, in its order; equal ones by prompt id.
synpic.answer = (query, data) => {
  const { columns } = data;
  let kept = columns.prompt_id.map((_, at) => at);
  if (query.text && query.pattern) kept = kept.filter((at) => query.pattern.test(columns.prompt[at]));
  else if (query.text) {
    const wanted = query.text.toLowerCase();
    kept = kept.filter((at) => columns.prompt[at].toLowerCase().includes(wanted));
  }
  for (const { column, score, holds } of query.filters) {
    if (column) kept = kept.filter((at) => holds(columns[column][at]));
    else {
      const values = data.scores[score];
      kept = kept.filter((at) => {
        for (let one = data.starts[at]; one < data.starts[at + 1]; one++) if (holds(values[one])) return true;
        return false;
      });
    }
  }
  if (query.marked) {
    const kinds = ["any", "none"].includes(query.marked) ? MARKED.slice(2) : [query.marked];
    const has = new Set(kinds.flatMap((kind) => data.marked[kind] || []));
    kept = kept.filter((at) => has.has(at) === (query.marked !== "none"));
  }
  if (query.sort) {
    const values = columns[query.sort];
    const way = query.descending ? -1 : 1;
    kept.sort((a, b) => {
      const [x, y] = [values[a], values[b]];
      if (x === null || y === null) return (x === null) - (y === null) || a - b;
      return x < y ? -way : x > y ? way : a - b;
    });
  }
  return kept;
};

// As synpic/view/charts.py: of the prompts whose numbers are `kept`.
synpic.charts = (kept, data) => {
  const ranked = new Set(), sums = new Map();
  for (const at of kept) {
    const first = new Set();
    for (let one = data.starts[at]; one < data.starts[at + 1]; one++) {
      if (data.rank[one] === null) continue;
      ranked.add(at);
      const sum = sums.get(data.model[one]) || { first: 0, phi: 0, count: 0 };
      sums.set(data.model[one], sum);
      sum.phi += data.preference[one];
      sum.count += 1;
      if (data.rank[one] === 1 && !first.has(data.model[one])) {
        first.add(data.model[one]);
        sum.first += 1;
      }
    }
  }
  const models = data.models.map(({ model, number }) => {
    const sum = sums.get(number);
    return sum ? { model, first: sum.first / Math.max(1, ranked.size), preference: sum.phi / sum.count }
      : { model, first: null, preference: null };
  });
  const mean = (values) => {
    const there = values.filter((one) => one !== null);
    return there.length ? there.reduce((sum, one) => sum + one, 0) / there.length : null;
  };
  const agreement = Object.keys(data.columns).filter((name) => name.startsWith("tau.")).map((name) => {
    const [, a, b] = name.split(".");
    return { a, b, tau: mean(kept.map((at) => data.columns[name][at])) };
  });
  const images = kept.flatMap((at) => Array.from(
    { length: data.starts[at + 1] - data.starts[at] }, (_, one) => data.starts[at] + one));
  const histograms = [
    ...["agreement", "margin", "length"].filter((name) => Object.hasOwn(data.columns, name))
      .map((name) => histogram(name, data.columns[name], kept)),
    ...Object.keys(data.scores).map((name) => histogram(name, data.scores[name], images)),
  ];
  return { models, agreement, histograms: histograms.filter(Boolean) };
};

const histogram = (name, every, kept) => {
  let low = Infinity, high = -Infinity;
  for (const one of every) {
    if (one === null) continue;
    low = Math.min(low, one);
    high = Math.max(high, one);
  }
  if (low > high) return null;
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const edges = Array.from({ length: BINS + 1 }, (_, at) => (at === BINS ? high : low + at * ((high - low) / BINS)));
  const counts = new Array(BINS).fill(0);
  for (const at of kept) {
    const one = every[at];
    if (one === null) continue;
    let bin = Math.min(BINS - 1, Math.floor((BINS * (one - low)) / (high - low)));
    if (one < edges[bin]) bin -= 1;
    else if (bin < BINS - 1 && one >= edges[bin + 1]) bin += 1;
    counts[bin] += 1;
  }
  return { name, edges, counts };
};
