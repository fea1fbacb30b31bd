"use strict";
// The page: asks for rows, shows them, and moves through them by keys.

const options = (name) =>
  [...document.querySelectorAll("#" + name + " option")].map((one) => one.value).filter(Boolean);

synpic.page = {
  query: new URLSearchParams(location.search),
  order: document.querySelector("[data-order][aria-pressed=true]").dataset.order,
  rows: [],
  marks: document.body.dataset.marks === "yes",
  manySplits: options("split").length > 0,
  colour: synpic.colourOf(JSON.parse(document.body.dataset.models)),
  thumbnail: (image) => synpic.source.thumbnail(image),
  image: (image) => synpic.source.image(image),
  large: (row, image) => synpic.openLarge(row, image, synpic.page),

  // Changes some filters, and begins again at the first page.
  filter(changes) {
    for (const [name, value] of Object.entries({ page: "", ...changes })) {
      if (value === "" || value === undefined) this.query.delete(name);
      else this.query.set(name, value);
    }
    this.go();
  },

  turn(to) {
    this.query.set("page", String(to));
    this.go();
    scrollTo(0, 0);
  },

  go() {
    const asked = this.query.toString();
    try {
      history.pushState(null, "", asked ? "?" + asked : location.pathname);
    } catch {
      // A browser that lets no file change its address shows the same without it.
    }
    this.load();
  },

  async load() {
    const rows = document.getElementById("rows");
    const problem = document.getElementById("problem");
    const asked = (this.asked = {});
    rows.setAttribute("aria-busy", "true");
    synpic.fillForms(this.query);
    const filters = new URLSearchParams(this.query);
    for (const name of ["page", "size", "sort", "order"]) filters.delete(name);
    try {
      const found = await synpic.source.rows(this.query.toString());
      if (asked !== this.asked) return; // a later question was asked
      problem.hidden = true;
      if (synpic.marks.problem) this.warn(synpic.marks.problem);
      this.show(found);
      rows.setAttribute("aria-busy", "false"); // charts may come later
      if (this.charted !== filters.toString() + this.query.get("winner")) {
        await synpic.picturesOf(rows); // first: charts take the same connections and processors
        if (asked !== this.asked) return;
        const charts = await synpic.source.charts(filters.toString());
        if (asked !== this.asked) return;
        this.charted = filters.toString() + this.query.get("winner");
        synpic.drawCharts(charts, this);
      }
    } catch (error) {
      if (asked !== this.asked) return;
      this.warn(error.message);
    } finally {
      if (asked === this.asked) rows.setAttribute("aria-busy", "false");
    }
  },

  warn(text) {
    const problem = document.getElementById("problem");
    problem.textContent = synpic.visible(text);
    problem.hidden = false;
  },

  show(found) {
    this.rows = found.rows;
    this.at = found.page;
    this.pages = found.pages;
    const rows = document.getElementById("rows");
    rows.replaceChildren(...found.rows.map((row, at) => synpic.card(row, this, at)));
    if (!found.rows.length) {
      rows.append(synpic.make("p.empty", {}, "No prompt is like that."));
    }
    document.getElementById("count").textContent = synpic.count(found.total, "prompt");
    for (const nav of document.querySelectorAll("nav.pages")) synpic.showPages(nav, found, this);
    synpic.showMarks();
  },

  focus(card) {
    card.focus({ preventScroll: true });
    card.scrollIntoView({ block: "nearest" });
  },

  // The card that has the focus, or the first that is seen.
  get current() {
    const cards = [...document.querySelectorAll(".card")];
    return document.activeElement.closest(".card")
      || cards.find((card) => card.getBoundingClientRect().bottom > 120) || cards[0];
  },

  rowOf(card) {
    return this.rows.find((row) => row.prompt_id === card.dataset.prompt);
  },

  step(by) {
    const cards = [...document.querySelectorAll(".card")];
    const inside = document.activeElement.closest(".card");
    const next = inside ? cards.indexOf(inside) + by : cards.indexOf(this.current);
    if (cards[next]) {
      cards[next].focus({ preventScroll: true });
      cards[next].scrollIntoView({ block: "start" });
    }
  },

  // #prompt=ID opens that prompt, wherever it is in the list.
  async follow() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    const id = wanted.get("prompt");
    if (!id) return;
    let row = this.rows.find((one) => one.prompt_id === id);
    if (!row) {
      try {
        row = await synpic.source.prompt(id);
      } catch (error) {
        this.warn(error.message);
        return;
      }
      this.rows = [row, ...this.rows];
      document.getElementById("rows").prepend(synpic.card(row, this, 0));
      synpic.showMarks();
    }
    this.focus(document.getElementById("prompt-" + id));
    const image = row.images.find((one) => one.candidate_id === wanted.get("image"));
    if (image && image.sha256 !== null) this.large(row, image);
  },
};

// Ends when the pictures that are asked for at once are there, or cannot be shown.
synpic.picturesOf = (rows) => Promise.all(
  [...rows.querySelectorAll('img[loading="eager"]')].filter((one) => !one.complete).map((one) =>
    new Promise((done) => ["load", "error"].forEach((name) => one.addEventListener(name, done)))));

synpic.showPages = (nav, found, page) => {
  const { make } = synpic;
  const button = (label, to, name) => make("button", { type: "button", disabled: to < 1
    || to > found.pages, "aria-label": name, click: () => page.turn(to) }, label);
  const field = make("input", { type: "number", min: 1, max: found.pages, value: found.page,
    "aria-label": "Page", change: (event) => page.turn(Math.max(1, Math.min(found.pages,
      Math.round(Number(event.target.value)) || 1))) });
  nav.replaceChildren(button("‹", found.page - 1, "The page before"), field,
    make("span.quiet", {}, "of " + found.pages.toLocaleString("en")),
    button("›", found.page + 1, "The next page"));
};

synpic.keys = (event, page) => {
  const writing = event.target.closest("input, textarea, select");
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (writing) {
    if (event.key === "Escape") writing.blur();
    return;
  }
  const card = page.current;
  const open = (at) => {
    const row = card && page.rowOf(card);
    const image = row && synpic.ordered(row, page.order)[at];
    if (image && image.sha256 !== null) page.large(row, image);
  };
  const marking = { d: "drop", u: "keep", x: "star", n: "note" };
  const keys = {
    j: () => page.step(1),
    k: () => page.step(-1),
    f: () => open(0),
    "/": () => document.getElementById("q").focus(),
    "?": () => document.getElementById("help").showModal(),
    "[": () => page.at > 1 && page.turn(page.at - 1),
    "]": () => page.at < page.pages && page.turn(page.at + 1),
  };
  if (/^[1-9]$/.test(event.key)) open(Number(event.key) - 1);
  else if (Object.hasOwn(keys, event.key)) keys[event.key]();
  else if (page.marks && card && Object.hasOwn(marking, event.key)) {
    synpic.toggleMark("prompts", card.dataset.prompt, marking[event.key]);
  } else return;
  event.preventDefault();
};

{
  const { page } = synpic;
  let waiting = null;
  const changed = (later) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      // A field that loses the focus says "change" again.
      const asked = Object.entries(synpic.readForms());
      if (asked.some(([name, value]) => (page.query.get(name) || "") !== value)) {
        page.filter(Object.fromEntries(asked));
      }
    }, later);
  };
  for (const form of document.querySelectorAll("#search, #filters")) {
    form.addEventListener("submit", (event) => { event.preventDefault(); changed(0); });
    form.addEventListener("change", () => changed(0));
  }
  document.getElementById("q").addEventListener("input", () => changed(250));
  document.getElementById("clear").addEventListener("click", () => {
    page.query = new URLSearchParams();
    page.go();
  });
  document.getElementById("help-button").addEventListener("click",
    () => document.getElementById("help").showModal());
  for (const button of document.querySelectorAll("[data-order]")) {
    button.addEventListener("click", () => {
      page.order = button.dataset.order;
      for (const one of document.querySelectorAll("[data-order]")) {
        one.setAttribute("aria-pressed", String(one === button));
      }
      const cards = page.rows.map((row, at) => synpic.card(row, page, at));
      document.getElementById("rows").replaceChildren(...cards);
      synpic.showMarks();
    });
  }
  addEventListener("keydown", (event) => synpic.keys(event, page));
  addEventListener("popstate", () => {
    const asked = new URLSearchParams(location.search);
    if (asked.toString() === page.query.toString()) return; // the hash alone
    page.query = asked;
    page.load();
  });
  addEventListener("hashchange", () => page.follow());
  if (matchMedia("(max-width: 900px)").matches) document.getElementById("panel").open = false;
  (async () => {
    const first = page.load();
    synpic.marks = await synpic.source.marks();
    await first;
    if (synpic.marks.problem) page.warn(synpic.marks.problem);
    synpic.showMarks();
    await page.follow();
  })();
}
