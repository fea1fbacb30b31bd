"use strict";
// Where rows come from: the server that the page came from.

{
  const answer = async (path, options) => {
    const response = await fetch(path, options);
    const found = await response.json().catch(() => ({ error: "the server's answer is no JSON" }));
    if (!response.ok) {
      throw new Error(found.error + (found.hint ? " (" + found.hint + ")" : ""));
    }
    return found;
  };
  const version = (image) => "?v=" + encodeURIComponent((image.sha256 || "").slice(0, 8));
  synpic.source = {
    rows: (query) => answer("api/rows?" + query),
    charts: (query) => answer("api/charts?" + query),
    prompt: (id) => answer("api/prompt/" + encodeURIComponent(id)),
    marks: () => answer("api/marks"),
    mark: (asked) => answer("api/marks", { method: "POST", body: JSON.stringify(asked),
      headers: { "Content-Type": "application/json", "X-Synpic": "1" } }),
    thumbnail: (image) => "thumbnails/320/" + encodeURIComponent(image.candidate_id) + version(image),
    image: (image) => "images/" + encodeURIComponent(image.candidate_id) + version(image),
  };
}
