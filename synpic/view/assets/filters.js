"use strict";
// The forms and the address say the same: which prompts are shown, and in which order.

const own = ["q", "regex", "sort", "order", "page", "size"];

// What the forms have a field for; every other filter is a chip that can be taken away.
const fields = () => [...document.querySelectorAll("#filters [name], #search [name]")];

synpic.fillForms = (query) => {
  for (const field of fields()) {
    if (field.name === "sort") {
      const wanted = (query.get("sort") || "") + ":" + (query.get("order") || "asc");
      let option = [...field.options].find((one) => one.value === wanted);
      for (const extra of field.querySelectorAll("[data-extra]")) extra.remove();
      if (!option) {
        const label = query.get("sort").replace(/^tau\./, "disagreement of ").replace(".", " and ");
        option = synpic.make("option", { value: wanted, "data-extra": true }, label);
        field.append(option);
      }
      field.value = wanted;
    } else if (field.type === "checkbox") field.checked = query.get(field.name) === field.value;
    else field.value = query.get(field.name) || "";
  }
  const shown = new Set([...own, ...fields().map((field) => field.name)]);
  const others = [...query].filter(([name]) => !shown.has(name));
  document.getElementById("active").replaceChildren(...others.map(([name, value]) =>
    synpic.make("button.chip", { type: "button", "aria-label": "Take away the filter " + name,
      click: () => synpic.page.filter({ [name]: "" }) },
      synpic.make("bdi", {}, name.replace(/^(score|meta)_/, "")), " ", rounded(value), " ✕")));
};

const rounded = (value) => value.replace("..", " to ")
  .replace(/-?\d+\.\d{3,}/g, (one) => synpic.number(Number(one)));

synpic.readForms = () => {
  const asked = {};
  for (const field of fields()) {
    if (field.name === "sort") {
      const cut = field.value.lastIndexOf(":");
      asked.sort = field.value.slice(0, cut);
      asked.order = asked.sort ? field.value.slice(cut + 1) : "";
    } else asked[field.name] = field.type === "checkbox" && !field.checked ? "" : field.value;
  }
  return asked;
};
