// The kinds of task: what each learns, which columns it reads, and what else may be said of it.

export const KINDS = {
  interactions: "interactions: which item a user chooses",
  sequences: "sequences: which item comes next",
  text: "text: which token comes next",
  features: "features: one label a row",
  multilabel: "multilabel: several labels a row",
  embeddings: "embeddings: given hidden vectors, one label each",
};

const COLUMNS = {
  interactions: ["user", "item"],
  sequences: ["user", "item", "time"],
  text: ["token"],
  features: ["label", "text", "split"],
  multilabel: ["label", "text", "split"],
  embeddings: ["hidden", "label", "split"],
};

/** What is said only of some kinds of task, by its path in the task. */
export const OF_KIND = {
  "model.bias": { kinds: [...Object.keys(KINDS), "description"] },
  "model.sequence_length": { kinds: ["sequences", "text"], isNumber: true },
  "model.n_layers": { kinds: ["sequences", "text"], isNumber: true },
  "model.n_heads": { kinds: ["sequences", "text"], isNumber: true },
  "model.dropout": { kinds: ["sequences", "text"], isNumber: true },
  "model.encoder": { kinds: ["features", "multilabel"] },
  "model.hidden_units": { kinds: ["features", "multilabel"], isNumber: true },
  "data.split": { kinds: ["sequences"] },
  "data.tokenizer": { kinds: ["text"] },
  "data.vocabulary_size": { kinds: ["text"], isNumber: true },
  "data.ngrams": { kinds: ["features", "multilabel"] },
  "data.hash_size": { kinds: ["features", "multilabel"], isNumber: true },
  "data.label_separator": { kinds: ["features", "multilabel"] },
  "data.labels": { kinds: ["features", "multilabel", "embeddings"] },
  twin_signal: { kinds: ["description"], isNumber: true },
};

/** A field, marked with the kinds of task that it is shown for: those that its path is said of. */
export function onlyFor(path, field) {
  field.dataset.kinds = OF_KIND[path].kinds.join(" ");
  return field;
}

/** Whether what stands at a path of a task may be said of this kind. */
export function fitsKind(path, kind) {
  return OF_KIND[path].kinds.includes(kind);
}

/** Which columns a kind reads. */
export function columnsOf(kind) {
  return COLUMNS[kind] ?? [];
}

/** The kind that a file seems to be for, by its format and which columns were recognised. */
export function likelyKind({ format, mapping }) {
  if (format === "text" || (mapping.token && !mapping.user)) return "text";
  if (format === "svmlight") return "multilabel";
  if (format === "npy" || mapping.hidden) return "embeddings";
  if (mapping.user && mapping.item) return "interactions";
  if (mapping.label || format === "npz") return "features";
  return "interactions";
}
