"use strict";
// The large view: one image, two side by side, or two that take turns in one place; zoom and drag.

synpic.openLarge = (row, image, page) => {
  const { make } = synpic;
  const dialog = document.getElementById("large");
  const images = synpic.ordered(row, page.order).filter((one) => one.sha256 !== null);
  let at = Math.max(0, images.findIndex((one) => one.candidate_id === image.candidate_id));
  let other = at === 0 ? Math.min(1, images.length - 1) : 0;
  let mode = "one";
  let turn = null;
  let second = false;
  let view = { zoom: 1, x: 0, y: 0 };

  const stage = make("div.stage", { tabindex: "0", "aria-label": "Images; + and − zoom" });
  const strip = make("div.strip", { role: "group", "aria-label": "Images of the prompt" });
  const about = make("div.about", { "aria-live": "polite" });
  const modes = make("div.switch", { role: "group", "aria-label": "View" },
    [["one", "one"], ["pair", "side by side"], ["flicker", "flicker"]].map(([name, label]) =>
      make("button", { type: "button", "data-mode": name, click: () => setMode(name) }, label)));
  const zooms = make("div.switch", { role: "group", "aria-label": "Zoom" },
    make("button", { type: "button", "aria-label": "Zoom out", click: () => zoom(1 / 1.5) }, "−"),
    make("button", { type: "button", click: () => fit() }, "fit"),
    make("button", { type: "button", "aria-label": "Zoom in", click: () => zoom(1.5) }, "+"));
  const marks = make("span.large-marks");
  dialog.replaceChildren(
    make("header", {}, make("h2", { dir: "auto" }, row.prompt), modes, zooms, marks,
      make("button.round", { type: "button", "aria-label": "Close", click: () => dialog.close() }, "✕")),
    stage, about, strip);

  const place = () => {
    for (const picture of stage.querySelectorAll("img")) {
      picture.style.transform =
        "translate(" + view.x + "px," + view.y + "px) scale(" + view.zoom + ")";
    }
  };
  const zoom = (factor) => {
    view.zoom = Math.max(1, Math.min(24, view.zoom * factor));
    if (view.zoom === 1) view = { zoom: 1, x: 0, y: 0 };
    place();
  };
  const fit = () => { view = { zoom: 1, x: 0, y: 0 }; place(); };

  const picture = (one, hidden) => make("img", { src: page.image(one), alt: synpic.altOf(row, one),
    draggable: "false", "data-large": one.candidate_id, hidden });
  const titled = (one) => make("div.pane", {}, picture(one), make("p.pane-title", {},
    make("i.dot." + page.colour(one.model)), make("bdi", {}, one.model),
    one.rank === null ? "" : " · rank " + one.rank));

  const draw = () => {
    clearInterval(turn);
    const [a, b] = [images[at], images[other]];
    stage.className = "stage " + mode;
    if (mode === "pair") stage.replaceChildren(titled(a), titled(b));
    else if (mode === "flicker") {
      second = false;
      const pair = [make("div.pane", {}, picture(a), picture(b))];
      stage.replaceChildren(...pair);
      const [one, two] = stage.querySelectorAll("img");
      const flip = () => {
        one.classList.toggle("away", second);
        two.classList.toggle("away", !second);
        describe(second ? b : a, second ? a : b);
        second = !second;
      };
      flip();
      turn = setInterval(flip, 700);
    } else stage.replaceChildren(make("div.pane", {}, picture(a)));
    if (mode === "pair") describe(a, b);
    else if (mode === "one") describe(a);
    place();
    for (const button of modes.children) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
      button.disabled = button.dataset.mode !== "one" && images.length < 2;
    }
    strip.replaceChildren(...images.map((one, number) => make("button", { type: "button",
      "aria-label": (number + 1) + ": " + synpic.altOf(row, one),
      "aria-current": number === at ? "true" : mode !== "one" && number === other ? "true" : null,
      "data-second": mode !== "one" && number === other,
      click: () => choose(number) },
      make("img", { src: page.thumbnail(one), alt: "" }), make("span", {}, number + 1))));
    marks.replaceChildren(...(page.marks
      ? [synpic.markButtons("candidates", a.candidate_id, "the image of " + a.model)] : []));
    history.replaceState(null, "", "#prompt=" + row.prompt_id + "&image=" + a.candidate_id);
  };
  const numberOf = (id) => images.findIndex((image) => image.candidate_id === id) + 1;
  const describe = (one, beside) => {
    about.replaceChildren(
      make("p", {}, make("i.dot." + page.colour(one.model)), make("bdi.model", {}, one.model),
        one.rank === null ? null : make("strong", {}, "rank " + one.rank),
        one.preference === null ? null : make("span", {}, "φ " + synpic.number(one.preference, 3)),
        one.seed === null ? null : make("span.quiet", {}, "seed " + one.seed),
        one.width === null ? null : make("span.quiet", {}, one.width + " × " + one.height)),
      make("ul.reward-list", {}, Object.keys(one.scores).map((reward) => make("li", {},
        make("bdi.quiet", {}, reward), " ", synpic.number(one.scores[reward], 3),
        one.places[reward] === null ? "" : " (" + one.places[reward] + ".)"))),
      make("ul.reward-list", {}, synpic.voteLines(row, one, beside, numberOf)),
      ...(beside ? [one, beside] : [one]).flatMap((image) => synpic.evaluatedLine(row, image,
        beside ? numberOf(image.candidate_id) : null)));
  };
  const choose = (number) => {
    if (number >= images.length) return;
    if (mode === "one") at = number;
    else if (number !== at) other = number;
    draw();
  };
  const step = (by) => {
    if (mode === "one") at = (at + by + images.length) % images.length;
    else {
      do other = (other + by + images.length) % images.length;
      while (other === at && images.length > 1);
    }
    draw();
  };
  const setMode = (name) => {
    mode = mode === name ? "one" : name;
    if (images.length < 2) mode = "one";
    if (other === at) other = at === 0 ? 1 : 0;
    draw();
  };

  let from = null;
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2);
  }, { passive: false });
  stage.addEventListener("pointerdown", (event) => {
    from = { x: event.clientX - view.x, y: event.clientY - view.y };
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!from || view.zoom === 1) return;
    view.x = event.clientX - from.x;
    view.y = event.clientY - from.y;
    place();
  });
  stage.addEventListener("pointerup", () => { from = null; });

  dialog.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = { ArrowRight: () => step(1), ArrowLeft: () => step(-1), f: () => setMode("flicker"),
      s: () => setMode("pair"), "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5),
      0: () => fit() };
    const marking = { d: "drop", u: "keep", x: "star", n: "note" };
    if (/^[1-9]$/.test(event.key)) choose(Number(event.key) - 1);
    else if (Object.hasOwn(keys, event.key)) keys[event.key]();
    else if (page.marks && Object.hasOwn(marking, event.key)) {
      synpic.toggleMark("candidates", images[at].candidate_id, marking[event.key]);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  dialog.onclose = () => {
    clearInterval(turn);
    history.replaceState(null, "", location.pathname + location.search);
    const card = document.getElementById("prompt-" + row.prompt_id);
    if (card) page.focus(card);
  };
  draw();
  if (!dialog.open) dialog.showModal();
  stage.focus();
};
