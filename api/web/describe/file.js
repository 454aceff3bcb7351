// A file of one's own: dropped or chosen, sent with its progress, looked at, its columns named.

import { get, ProblemError, upload } from "../api.js";
import { fill, freshId, h } from "../dom.js";
import * as words from "../words.js";
import { columnsOf, likelyKind, onlyFor } from "./kinds.js";

const PREVIEW_ROWS = 6;
const COLUMNS_SHOWN = 12;
const NO_LABELS = { "": "no, they are in the file" };

/**
 * `{element, labels, show(), draw()}`: the drop zone with what was sent, and the field of a second
 * file, of labels; `onFile()` when another file is there.
 */
export function filePicker(fields, signal, onFile) {
  const status = h("div", { class: "upload-status", "aria-live": "polite" });
  const table = h("div", { class: "preview" });
  const input = h("input", { type: "file", id: freshId("file"), onchange: () => input.files.length && take(input.files[0]) });
  const earlier = h("div", { class: "earlier" });
  const labels = onlyFor("data.labels", fields.select("task.data.labels", "Labels in a file of their own", NO_LABELS, { hint: "an npy; send it before the vectors" }));
  const zone = h(
    "div",
    {
      class: "drop",
      ondragover: (event) => {
        event.preventDefault();
        zone.classList.add("over");
      },
      ondragleave: () => zone.classList.remove("over"),
      ondrop: (event) => {
        event.preventDefault();
        zone.classList.remove("over");
        if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
      },
    },
    h("label", { for: input.id }, "Drop a file here, or choose one"),
    input,
    h("p", { class: "note" }, "csv, tsv, parquet, RecBole .inter, text, svmlight, npz or npy; text may be gzipped. What it is is told by its content."),
  );
  let sending = null;
  let preview = null;

  async function take(file) {
    sending?.abort();
    sending = new AbortController();
    const both = AbortSignal.any([signal, sending.signal]);
    const bar = h("progress", { max: 1, value: 0, "aria-label": `Sending ${file.name}` });
    const share = h("span");
    const cancel = h("button", { type: "button", onclick: () => sending.abort() }, "Cancel");
    fill(status, h("p", null, `Sending ${file.name}, ${words.size(file.size)} `, bar, " ", share, " ", cancel));
    fill(table);
    const onProgress = (sent) => {
      bar.value = sent;
      fill(share, sent < 1 ? words.percent(sent) : "checking");
    };
    try {
      const sent = await upload(file, { signal: both, onProgress });
      fields.set("upload.id", sent.id);
      fields.set("upload.name", file.name);
      await show();
      adopt();
      onFile();
    } catch (error) {
      if (signal.aborted) return;
      if (sending.signal.aborted) fill(status, h("p", null, `${file.name} was not sent.`));
      else fill(status, h("p", { class: "fault", role: "alert" }, `${file.name}: ${error.message}`));
    } finally {
      input.value = "";
    }
  }

  async function show() {
    const id = fields.get("upload.id");
    await Promise.all([listEarlier(id), id && looked(id)]);
  }

  async function looked(id) {
    fill(status, h("p", null, "Looking at the file…"));
    try {
      const at = `/v1/uploads/${encodeURIComponent(id)}`;
      const [sent, found] = await Promise.all([
        get(at, { signal }),
        get(`${at}/preview`, { signal, query: { rows: PREVIEW_ROWS } }),
      ]);
      preview = found;
      fill(status, h("p", null, h("strong", null, sent.name), ` ${words.size(sent.size_bytes)}, read as ${found.format}`));
      draw();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ProblemError)) throw error;
      if (error.status === 404) fields.set("upload.id", "");
      fill(status, h("p", { class: "fault", role: "alert" }, error.message));
    }
  }

  /** Take the columns and the kind that the file seems to have. */
  function adopt() {
    for (const role of ["user", "item", "time", "token", "label", "text", "hidden", "split"]) {
      fields.set(`task.data.columns.${role}`, "");
    }
    const kind = likelyKind(preview);
    fields.set("task.kind", kind);
    for (const role of columnsOf(kind)) {
      if (preview.mapping[role]) fields.set(`task.data.columns.${role}`, preview.mapping[role]);
    }
    if (!fields.get("task.name") || fields.get("task.name") === "task") fields.set("task.name", stem(fields.get("upload.name")));
    draw();
  }

  /** The first rows, with the part that each column plays above it. */
  function draw() {
    if (!preview) return;
    const roles = columnsOf(fields.get("task.kind"));
    const shown = preview.columns.slice(0, COLUMNS_SHOWN);
    const head = shown.map((column) =>
      h("th", { scope: "col" }, h("span", { class: "column" }, column.name), h("span", { class: "hint" }, column.type), roles.length && roleOf(column.name, roles)),
    );
    const left = preview.columns.length - shown.length;
    fill(
      table,
      h(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": "The first rows" },
        h(
          "table",
          null,
          h("caption", { class: "unseen" }, "The first rows, with the part that each column plays"),
          h("thead", null, h("tr", null, head)),
          h("tbody", null, preview.rows.map((row) => h("tr", null, row.slice(0, COLUMNS_SHOWN).map((value) => h("td", null, value === null ? "" : value))))),
        ),
      ),
      left > 0 && h("p", { class: "note" }, `and ${left} more columns`),
    );
  }

  function roleOf(column, roles) {
    const chosen = roles.find((role) => fields.get(`task.data.columns.${role}`) === column) ?? "";
    const select = h(
      "select",
      {
        "aria-label": `${column} is`,
        onchange: () => {
          for (const role of roles) {
            const at = `task.data.columns.${role}`;
            if (role === select.value) fields.set(at, column);
            else if (fields.get(at) === column) fields.set(at, "");
          }
          draw();
        },
      },
      h("option", { value: "" }, "not used"),
      roles.map((role) => h("option", { value: role }, role)),
    );
    select.value = chosen;
    return select;
  }

  async function listEarlier(current) {
    const { items } = await get("/v1/uploads", { signal, query: { page_size: 20 } });
    const others = items.filter((sent) => sent.id !== current);
    offerLabels(others);
    if (!others.length) return fill(earlier);
    const select = h(
      "select",
      { id: freshId("earlier") },
      h("option", { value: "" }, "choose"),
      others.map((sent) => h("option", { value: sent.id }, named(sent))),
    );
    select.addEventListener("change", () => {
      const chosen = others.find((sent) => sent.id === select.value);
      if (chosen) again(chosen).catch(told);
    });
    fill(earlier, h("label", { for: select.id }, "Or a file that was sent before"), select);
  }

  /** The files that may hold the labels; one that is taken stays, also where it is not among the newest. */
  function offerLabels(sent) {
    const taken = fields.get("task.data.labels");
    const options = { ...NO_LABELS, ...(taken && { [taken]: taken }) };
    for (const one of sent) options[`upload:${one.id}`] = named(one);
    const select = labels.querySelector("select");
    fill(select, Object.entries(options).map(([value, text]) => h("option", { value }, text)));
    select.value = taken;
  }

  /** Take a file that was sent before. */
  async function again(sent) {
    fields.set("upload.name", sent.name);
    fields.set("upload.id", sent.id);
    await show();
    if (preview) adopt();
    onFile();
  }

  function told(error) {
    if (!signal.aborted) fill(status, h("p", { class: "fault", role: "alert" }, error.message));
  }

  const element = h("div", null, zone, earlier, status, table);
  return { element, labels, show, draw };
}

function named({ name, size_bytes: nBytes, created_at: at }) {
  return `${name}, ${words.size(nBytes)}, ${words.time(at)}`;
}

function stem(name) {
  return name.replace(/\.[^.]*$/, "").slice(0, 200) || "task";
}
