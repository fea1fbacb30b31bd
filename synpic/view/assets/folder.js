"use strict";
// Where rows come from: files in the folder of the page. A page that is a file may load scripts and
// nothing else, so each file of rows is a script that hands them over with synpic.take.

{
  // More than a page may ask for at once: none is let go while it loads.
  const CHUNKS_KEPT = 256;
  const { data } = synpic;
  data.starts = [0];
  for (const count of data.counts) data.starts.push(data.starts.at(-1) + count);
  data.marked = {};
  const places = new Map(data.columns.prompt_id.map((id, at) => [id, at]));
  for (const kind of ["drop", "keep", "star", "note"]) {
    const of = (marks) => Object.keys(marks).filter((id) => marks[id][kind]);
    const ids = [...of(data.marks.prompts), ...of(data.marks.candidates).map((id) => data.prompt_of[id])];
    data.marked[kind] = ids.map((id) => places.get(id)).filter((at) => at !== undefined);
  }

  const waiting = new Map();
  const chunks = new Map();
  synpic.take = (number, rows) => waiting.get(number)(rows);
  const chunk = (number) => {
    if (!chunks.has(number)) {
      chunks.set(number, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = "data/rows-" + number + ".js";
        waiting.set(number, (rows) => { resolve(rows); script.remove(); });
        script.onerror = () => {
          chunks.delete(number);
          reject(synpic.problem(script.getAttribute("src") + " cannot be loaded",
            "the page is a folder: copy all of it"));
        };
        document.head.append(script);
      }));
      if (chunks.size > CHUNKS_KEPT) chunks.delete(chunks.keys().next().value);
    }
    return chunks.get(number);
  };
  const row = async (at) => (await chunk(Math.floor(at / data.per)))[at % data.per];

  let last = { asked: null };
  const answered = (query, asked) => {
    // Turning a page asks the same again.
    const key = JSON.stringify([...new URLSearchParams(asked)].filter(([name]) => !["page", "size"].includes(name)));
    if (last.key !== key) last = { key, kept: synpic.answer(query, data) };
    return last.kept;
  };
  const thumbnail = ({ candidate_id: id }) => "thumbnails/" + id.slice(0, 2) + "/" + id + ".webp";

  synpic.source = {
    rows: async (asked) => {
      const query = synpic.parseQuery(asked, data);
      const kept = answered(query, asked);
      const pages = Math.max(1, Math.ceil(kept.length / query.size));
      const page = Math.min(query.page, pages);
      const first = (page - 1) * query.size;
      return {
        total: kept.length, page, size: query.size, pages,
        rows: await Promise.all(kept.slice(first, first + query.size).map(row)),
      };
    },
    charts: async (asked) => synpic.charts(synpic.answer(synpic.parseQuery(asked, data), data), data),
    prompt: async (id) => {
      if (!places.has(id)) throw synpic.problem("there is no such prompt");
      return row(places.get(id));
    },
    marks: async () => data.marks,
    mark: async () => { throw synpic.problem("marks of this page are read only"); },
    thumbnail,
    image: (image) => image.file || thumbnail(image),
  };
}
