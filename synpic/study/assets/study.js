"use strict";
// Two images, one question, an answer. What is shown and in which order, the server decides. An
// answer is sent until the server says that it is stored; sent twice, it is stored once.
{
  const find = (id) => document.getElementById(id);
  const main = document.querySelector("main");
  const SMALL = 128; // of so few pixels, each is shown as it is
  const AGAIN = 1500; // milliseconds until what failed is tried again
  const KEYS = { ArrowLeft: "left", ArrowRight: "right", " ": "tie", b: "both_bad", s: "skip" };

  let state = null; // the server's last answer
  let since = null; // when both images of the current comparison were there; null before
  let sending = false;
  const images = new Map(); // address → an image that is loaded, or on its way

  const post = (path, asked) => fetch(path, { method: "POST", body: JSON.stringify(asked),
    headers: { "Content-Type": "application/json", "X-Synpic": "1" } });

  const problem = (text) => {
    find("problem").hidden = text === null;
    find("problem").textContent = text === null ? "" : synpic.visible(text);
  };

  const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

  // JSON; null where it is none: what stands before the server may answer in its place.
  const read = (text) => {
    try {
      return JSON.parse(text);
    } catch {
      return null;
    }
  };

  // The server's answer; null where it has to be asked to begin first.
  const ask = async (request) => {
    for (;;) {
      try {
        const response = await request();
        if (response.status === 401) {
          problem(null);
          return null;
        }
        const text = await response.text();
        const found = read(text);
        if (response.ok && found !== null) {
          problem(null);
          return found;
        }
        problem(found?.error ? found.error + (found.hint ? " (" + found.hint + ")" : "")
          : "The server answered " + response.status + ": " + text.slice(0, 300).trim());
        if (response.status < 500) return state;
      } catch {
        problem("No connection. Your answer is sent again until it arrives.");
      }
      await wait(AGAIN);
    }
  };

  const screen = (name) => {
    document.body.dataset.screen = name;
    for (const one of ["consent", "asking", "thanks"]) find(one).hidden = one !== name;
  };

  const load = (address) => {
    if (!images.has(address)) {
      const image = new Image();
      image.src = "images/" + encodeURIComponent(address);
      images.set(address, image);
    }
    return images.get(address);
  };

  const ready = (image) => image.complete && image.naturalWidth > 0;

  const enable = () => {
    for (const button of main.querySelectorAll("#asking [data-answer]")) {
      button.disabled = sending || (since === null && button.dataset.answer !== "skip");
    }
    const last = !sending && state !== null && state.last !== null;
    find("undo").disabled = find("undo-last").disabled = !last;
  };

  const show = (found) => {
    state = found !== null && found.rater === null ? null : found;
    if (state === null) {
      screen("consent");
      find("begin").focus();
      return;
    }
    for (const one of document.querySelectorAll(".rater")) one.textContent = state.rater;
    find("progress").max = Math.max(1, state.total);
    find("progress").value = state.answered;
    find("count").textContent = state.answered + " of " + state.total;
    const [current, ...next] = state.upcoming;
    if (current === undefined) {
      screen("thanks");
      enable();
      return;
    }
    screen("asking");
    const question = find("question");
    const text = synpic.visible(current.question);
    question.classList.toggle("changed", question.textContent !== "" && question.textContent !== text);
    if (question.textContent !== text) question.textContent = text;
    find("prompt").hidden = current.prompt === null;
    find("prompt").firstElementChild.textContent = synpic.visible(current.prompt ?? "");
    since = null;
    find("asking").classList.add("waiting");
    for (const side of ["left", "right"]) {
      const image = load(current[side]);
      const shown = find(side);
      shown.parentElement.classList.remove("chosen");
      shown.src = image.src;
      if (!ready(image)) {
        image.onload = () => both(current);
        image.onerror = () => {
          images.delete(current[side]);
          problem("An image could not be loaded. Reload the page, or skip this comparison.");
        };
      }
    }
    both(current);
    enable();
    for (const one of next) {
      load(one.left);
      load(one.right);
    }
    const needed = new Set(state.upcoming.flatMap((one) => [one.left, one.right]));
    for (const address of images.keys()) if (!needed.has(address)) images.delete(address);
  };

  // The time of an answer runs from here.
  const both = (current) => {
    if (state.upcoming[0] !== current || since !== null) return;
    const pair = [load(current.left), load(current.right)];
    if (!pair.every(ready)) return;
    for (const side of ["left", "right"]) {
      find(side).classList.toggle("small-pixels", load(current[side]).naturalWidth <= SMALL);
    }
    find("asking").classList.remove("waiting");
    since = performance.now();
    enable();
  };

  const send = async (path, asked) => {
    sending = true;
    enable();
    const found = await ask(() => post(path, asked));
    sending = false;
    show(found);
  };

  const answer = (given) => {
    const current = state?.upcoming[0];
    if (sending || current === undefined || (since === null && given !== "skip")) return;
    const milliseconds = since === null ? 0 : Math.round(performance.now() - since);
    document.activeElement?.blur();
    for (const side of ["left", "right"]) {
      find(side).parentElement.classList.toggle("chosen", side === given);
    }
    send("api/vote", { ticket: current.ticket, answer: given, milliseconds });
  };

  const undo = () => {
    if (!sending && state !== null && state.last !== null) send("api/undo", { ticket: state.last });
  };

  for (const button of main.querySelectorAll("#asking [data-answer]")) {
    button.addEventListener("click", () => answer(button.dataset.answer));
  }
  find("undo").addEventListener("click", undo);
  find("undo-last").addEventListener("click", undo);
  find("begin").addEventListener("click", () => send("api/begin", {}));
  find("help-button").addEventListener("click", () => find("help").showModal());

  const isOurs = (event) => {
    const asked = ["asking", "thanks"].includes(document.body.dataset.screen);
    return asked && !find("help").open && !event.ctrlKey && !event.altKey && !event.metaKey;
  };
  document.addEventListener("keydown", (event) => {
    if (!isOurs(event)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key === "?") find("help").showModal();
    else if (key === "u" && !event.repeat) undo();
    else if (!(key in KEYS)) return;
    else if (!event.repeat) answer(KEYS[key]);
    event.preventDefault();
  });
  // A button that has the focus is pressed when the space bar is let go.
  document.addEventListener("keyup", (event) => {
    if (isOurs(event) && event.key === " ") event.preventDefault();
  });

  ask(() => fetch("api/state")).then(show);
}
