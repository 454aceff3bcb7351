// What is typed, as the values in the body of a request.

/** A number as people type it, "6,000,000"; text that is none stays, for the API to judge. */
export function typed(text) {
  const plain = String(text).replace(/[\s,_]/g, "");
  if (plain === "") return undefined;
  const number = Number(plain);
  return Number.isNaN(number) ? String(text) : number;
}

/** The values in a text, "0.5, 1": numbers, true and false, and words; undefined where it is empty. */
export function valuesIn(text) {
  if (!String(text).trim()) return undefined;
  return String(text).split(",").map((part) => part.trim()).filter(Boolean).map(valueOf);
}

function valueOf(text) {
  if (["true", "false"].includes(text.toLowerCase())) return text.toLowerCase() === "true";
  const number = Number(text);
  return Number.isNaN(number) ? text : number;
}

/** `{a: {b: 1}}` of `{"a.b": 1}`, without what is undefined. */
export function nested(flat) {
  const whole = {};
  for (const [path, value] of Object.entries(flat)) {
    if (value === undefined) continue;
    const names = path.split(".");
    const last = names.pop();
    names.reduce((inside, name) => (inside[name] ??= {}), whole)[last] = value;
  }
  return whole;
}
