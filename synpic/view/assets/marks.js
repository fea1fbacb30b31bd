"use strict";
// Marks of prompts and images: drop, keep, star, note. The server has them; the page shows them.

synpic.marks = { prompts: {}, candidates: {} };

const kinds = [["drop", "✕", "Drop: leave out before ranking, where the recipe has drop = \"marks\" under [ranking]"], ["keep", "✓", "Keep"],
  ["star", "★", "Star"], ["note", "✎", "Note"]];

synpic.markButtons = (kind, id, what) =>
  synpic.make("span.marks", { role: "group", "aria-label": "Marks of " + what },
    kinds.map(([name, sign, title]) => synpic.make("button.mark." + name, {
      type: "button", title, "aria-label": title.split(":")[0] + ", " + what,
      "aria-pressed": String(Boolean((synpic.marks[kind][id] || {})[name])),
      "data-mark": name, "data-kind": kind, "data-id": id,
      click: () => synpic.toggleMark(kind, id, name) }, sign)));

synpic.toggleMark = async (kind, id, name) => {
  const mark = { ...(synpic.marks[kind][id] || {}) };
  if (name === "note") {
    const note = await synpic.askNote(mark.note || "");
    if (note === null) return;
    mark.note = note;
    if (!note) delete mark.note;
  } else {
    mark[name] = !mark[name];
    if (!mark[name]) delete mark[name];
    // One says the opposite of the other.
    else if (name === "drop") delete mark.keep;
    else if (name === "keep") delete mark.drop;
  }
  try {
    synpic.marks = await synpic.source.mark({ kind, id, mark });
  } catch (error) {
    synpic.page.warn(error.message);
    return;
  }
  document.getElementById("problem").hidden = true;
  synpic.showMarks();
};

synpic.askNote = (before) => {
  const dialog = document.getElementById("note");
  const field = dialog.querySelector("textarea");
  field.value = before;
  dialog.returnValue = "";
  dialog.showModal();
  field.focus();
  return new Promise((resolve) => dialog.addEventListener("close",
    () => resolve(dialog.returnValue === "save" ? field.value.trim() : null), { once: true }));
};

// Whatever is on the page now shows the marks as they are.
synpic.showMarks = () => {
  for (const button of document.querySelectorAll("button.mark")) {
    const { kind, id, mark } = button.dataset;
    button.setAttribute("aria-pressed", String(Boolean((synpic.marks[kind][id] || {})[mark])));
  }
  for (const card of document.querySelectorAll("[data-prompt]")) {
    card.classList.toggle("dropped", Boolean((synpic.marks.prompts[card.dataset.prompt] || {}).drop));
  }
  for (const figure of document.querySelectorAll("[data-candidate]")) {
    const mark = synpic.marks.candidates[figure.dataset.candidate] || {};
    figure.classList.toggle("dropped", Boolean(mark.drop));
    const signs = figure.querySelector("[data-signs]");
    if (signs) {
      signs.textContent = kinds.filter(([name]) => mark[name]).map(([, sign]) => sign).join(" ");
    }
  }
  const unheeded = document.getElementById("unheeded"); // not where nothing can be marked
  const { counts = {}, honoured } = synpic.marks;
  if (unheeded) {
    unheeded.hidden = !counts.drop || honoured;
    unheeded.textContent = synpic.count(counts.drop || 0, "mark") + " drop, and the recipe does not follow: "
      + "write drop = \"marks\" under [ranking], or give --drop marks to synpic rank and publish.";
  }
  for (const place of document.querySelectorAll("[data-note]")) {
    const note = (synpic.marks.prompts[place.dataset.note] || {}).note || "";
    place.textContent = synpic.visible(note);
    place.hidden = !note;
  }
};
