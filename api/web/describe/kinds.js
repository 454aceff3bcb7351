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
